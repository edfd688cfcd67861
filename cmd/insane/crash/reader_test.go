package crash

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// outputs are files that take no log.
var outputs = map[string]func(t *testing.T) *os.File{
	"a full pipe": func(t *testing.T) *os.File { _, w := fullPipe(t); return w },
	"a closed pipe": func(t *testing.T) *os.File {
		r, w := fullPipe(t)
		r.Close()
		return w
	},
	"a full disk": func(t *testing.T) *os.File {
		f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0) // every write fails (full(4))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	},
	"a full socket": func(t *testing.T) *os.File { // as that of the journal
		pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		far, near := os.NewFile(uintptr(pair[0]), "far"), os.NewFile(uintptr(pair[1]), "near")
		t.Cleanup(func() { far.Close(); near.Close() })
		fill(t, near)
		return near
	},
}

// fullPipe returns both ends of a pipe that has no room.
func fullPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	fill(t, w)
	return r, w
}

// fill writes until there is no room, not even for a byte.
func fill(t *testing.T, w *os.File) {
	t.Helper()
	for size := 4096; size > 0; {
		w.SetWriteDeadline(time.Now().Add(time.Millisecond))
		_, err := w.Write(make([]byte, size))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestNobodyReadsTheLog: a daemon whose log finds no reader follows its slave, makes
// changes, counts the lines that are lost, and ends when it is told to. Then the slave has
// its frames back.
func TestNobodyReadsTheLog(t *testing.T) {
	t.Parallel()
	for name, open := range outputs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := labtest.New(t)
			testbed.KnowBorea(t, l, "10.9.0.1")
			p := testbed.NewProber(t, l, "10.9.0.4", "10.9.0.1")
			i := testbed.StartInto(t, l, open(t), nil, "@insane", "--slave", lab.Link, "--receive", api.ReceiveAll, "--address", "10.9.0.3").Ready(t)
			p.AwaitNow(t, testbed.Device)
			for _, up := range []bool{false, true} {
				labtest.SetUp(t, l.Borea, up)
				labtest.Await(t, "the device to follow its slave", func() bool {
					now, err := i.Client.Info(t.Context())
					return err == nil && now.Carrier == up
				})
			}
			long := "percent " + strings.Repeat("9", 10_000) // each refusal is a line of the log
			labtest.Await(t, "lines of the log to be lost", func() bool {
				if _, err := i.Client.Set(t.Context(), api.Change{TX: &long}); !errors.Is(err, api.ErrInvalid) {
					t.Fatal(err)
				}
				now, err := i.Client.Set(t.Context(), api.Change{TX: new("percent 50")})
				if err != nil {
					t.Fatal(err)
				}
				return now.LogDropped > 0
			})
			checkLossShown(t, l)
			dead := p.Next()
			i.Signal(syscall.SIGTERM)
			if code := i.End(t); code != 0 {
				t.Errorf("exit code %d", code)
			}
			p.Await(t, dead+2, lab.Link)
		})
	}
}

// checkLossShown: a user and Prometheus see that lines of the log were lost.
func checkLossShown(t *testing.T, l *lab.Lab) {
	t.Helper()
	out := labtest.Run(t, l.Borea, "insanely", "--socket", "@insane")
	if !strings.Contains(out, "\nlog ") {
		t.Errorf("insanely does not say that lines are lost:\n%s", out)
	}
	out = labtest.Run(t, l.Borea, "curl", "-sS", "--max-time", "10", "--abstract-unix-socket", "insane", "http://insane/metrics")
	if !regexp.MustCompile(`(?m)^insane_log_dropped_lines_total\{device="insane"\} [1-9]`).MatchString(out) {
		t.Errorf("the metrics do not say that lines are lost:\n%s", out)
	}
}

// TestNobodyReadsTheError: a daemon that cannot start ends, although nobody reads why.
func TestNobodyReadsTheError(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	for name, open := range outputs {
		if code := testbed.StartInto(t, l, open(t), nil, "@insane", "--slave", "nosuch").End(t); code != 1 {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
}

// manager is a service manager that a test reads, or does not.
func manager(t *testing.T) (*net.UnixConn, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	m, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m, path
}

// TestManagerDoesNotRead: a service manager that has no room for a message keeps the daemon
// neither from working nor from ending, and gets the message when it has room.
func TestManagerDoesNotRead(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	m, path := manager(t)
	other, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for err == nil {
		other.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		_, err = other.Write([]byte("x"))
	}
	start := func() *testbed.Instance {
		return testbed.StartWith(t, l, []string{"NOTIFY_SOCKET=" + path}, "@insane", "--slave", lab.Link).Ready(t)
	}
	i := start()
	i.Signal(syscall.SIGTERM)
	if code := i.End(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, i.Log.String())
	}
	start()
	awaitMessage(t, m, "READY=1")
}

// TestManagerWatches: a service manager that asks for it hears again and again that the
// daemon works.
func TestManagerWatches(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	m, path := manager(t)
	i := testbed.StartWith(t, l, []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=20000"}, "@insane", "--slave", lab.Link).Ready(t)
	awaitMessage(t, m, "READY=1")
	for range 3 {
		awaitMessage(t, m, "WATCHDOG=1")
	}
	i.Signal(syscall.SIGTERM)
	awaitMessage(t, m, "STOPPING=1")
}

// awaitMessage reads messages until there is this one.
func awaitMessage(t *testing.T, m *net.UnixConn, want string) {
	t.Helper()
	m.SetReadDeadline(time.Now().Add(labtest.Patience))
	for message := make([]byte, 1000); ; {
		n, err := m.Read(message)
		if err != nil {
			t.Fatalf("wait for %s: %v", want, err)
		}
		if string(message[:n]) == want {
			return
		}
	}
}
