package cli

import (
	"bytes"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// listenManager is a service manager on a new socket, whose address is in the environment.
func listenManager(t *testing.T, address string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", address)
	return c
}

// fill sends to a manager until it has no room.
func fill(t *testing.T, address string) (sent int) {
	t.Helper()
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for {
		c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := c.Write([]byte("x")); err != nil {
			return sent
		}
		sent++
	}
}

// read returns the next message to a manager.
func read(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	message := make([]byte, 100)
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, err := c.Read(message)
	if err != nil {
		t.Fatal(err)
	}
	return string(message[:n])
}

// A manager that does not read delays nobody, and gets every state when it reads, in their
// order. Both forms of an address do.
func TestManagerIsBusy(t *testing.T) {
	for _, address := range []string{filepath.Join(t.TempDir(), "notify"), "@insane-test-" + strconv.Itoa(int(time.Now().UnixNano()))} {
		c := listenManager(t, address)
		full := fill(t, address)
		m := openManager(slog.New(slog.DiscardHandler))
		m.tell(daemon.SdNotifyReady)
		m.tell(daemon.SdNotifyStopping)
		m.close() // comes back although nothing is sent
		for range full {
			read(t, c)
		}
		for _, want := range []string{daemon.SdNotifyReady, daemon.SdNotifyStopping} {
			if got := read(t, c); got != want {
				t.Errorf("%s: heard %q, want %q", address, got, want)
			}
		}
	}
}

// A manager that cannot be told is a warning that names the address, and one only.
func TestManagerIsNotThere(t *testing.T) {
	stream := filepath.Join(t.TempDir(), "stream")
	l, err := net.Listen("unix", stream)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, address := range []string{"/no/such/socket", stream, "no-path", "vsock:2:1", "@nobody-listens-here"} {
		t.Setenv("NOTIFY_SOCKET", address)
		var log bytes.Buffer
		m := openManager(slog.New(slog.NewTextHandler(&log, nil)))
		for range 3 {
			m.tell(daemon.SdNotifyWatchdog)
		}
		m.close()
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "NOTIFY_SOCKET") || !strings.Contains(text, address) {
			t.Errorf("%s: %q, want one line", address, text)
		}
	}
}

// The watchdog of a manager hears that the daemon works, as long as it does.
func TestManagerWatchdog(t *testing.T) {
	c := listenManager(t, filepath.Join(t.TempDir(), "notify"))
	t.Setenv("WATCHDOG_USEC", "2000")
	m := openManager(slog.New(slog.DiscardHandler))
	stop := make(chan struct{})
	works := make(chan bool)
	m.keepAlive(func() bool { return <-works }, stop)
	works <- false
	works <- false
	m.tell("STATUS=silent so far")
	if got := read(t, c); got != "STATUS=silent so far" {
		t.Errorf("heard %q of a daemon that hangs", got)
	}
	works <- true
	if got := read(t, c); got != daemon.SdNotifyWatchdog {
		t.Errorf("heard %q, want %q", got, daemon.SdNotifyWatchdog)
	}
	close(stop)
	m.close()
}
