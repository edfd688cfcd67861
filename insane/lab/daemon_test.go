package lab

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestDaemonAnswers(t *testing.T) {
	l := newLab(t, Options{})
	first, err := l.Daemon(background, "--name", "one")
	if err != nil {
		t.Fatal(err)
	}
	second, err := l.Daemon(background, "--name", "two")
	if err != nil {
		t.Fatal(err)
	}
	for want, d := range map[string]*Daemon{"one": first, "two": second} {
		info, err := d.Client.Info(background)
		if err != nil || info.Name != want {
			t.Errorf("daemon %s: got %q, %v", want, info.Name, err)
		}
		Await(t, "what daemon "+want+" has written", func() bool { return strings.Contains(d.Logs(), "listening\n") })
		out, err := d.Command(background, "sh", "-c", "echo $INSANE_SOCKET").Output()
		if err != nil || strings.TrimSpace(string(out)) != d.Socket {
			t.Errorf("daemon %s: environment has %q, want %q (%v)", want, out, d.Socket, err)
		}
	}
	// The socket must exist in borea only: the same name may be in use elsewhere.
	if conn, err := net.Dial("unix", first.Socket); err == nil {
		conn.Close()
		t.Error("the socket can be reached from outside")
	}
}

func TestDaemonStops(t *testing.T) {
	l := newLab(t, Options{})
	for name, stop := range map[string]func(*Daemon) error{"Stop": (*Daemon).Stop, "Kill": (*Daemon).Kill} {
		d, err := l.Daemon(background)
		if err != nil {
			t.Fatal(err)
		}
		_ = stop(d) // the fake daemon ends with each signal
		if _, err := os.Stat("/proc/" + pidText(d)); err == nil {
			t.Errorf("%s: the process is still there", name)
		}
		if d.Wait() == nil {
			t.Errorf("%s: Wait reports no signal", name)
		}
		if err := d.Kill(); err != nil {
			t.Errorf("%s: then Kill: %v", name, err)
		}
		if _, err := d.Client.Info(background); err == nil {
			t.Errorf("%s: it still answers", name)
		}
	}
}

func TestDaemonStopsWithItsContext(t *testing.T) {
	l := newLab(t, Options{})
	ctx, cancel := context.WithCancel(background)
	d, err := l.Daemon(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := d.Wait(); err == nil {
		t.Error("ended well, want the context's error")
	}
}

func TestDaemonThatFailsSaysWhy(t *testing.T) {
	l := newLab(t, Options{})
	_, err := l.Daemon(background, "--fail")
	const want = "daemon ended at once (exit status 1): about to fail | asked to fail"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// A daemon that starts slowly is not treated as hanging.
func TestDaemonMayBeSlow(t *testing.T) {
	l := newLab(t, Options{})
	if _, err := l.Daemon(background, "--slow"); err != nil {
		t.Error(err)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var log tail
	for range 5000 {
		_, _ = log.Write([]byte("a line of thirty-two characters.\n"))
	}
	_, _ = log.Write([]byte("the end"))
	got := log.String()
	if len(got) != tailSize || !strings.HasSuffix(got, "characters.\nthe end") {
		t.Errorf("%d bytes ending in %q", len(got), got[len(got)-40:])
	}
	if cap(log.text) > 4*tailSize {
		t.Errorf("%d bytes held for them", cap(log.text))
	}
}

func pidText(d *Daemon) string { return strconv.Itoa(d.PID()) }
