package insanely

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A missing daemon is always the same error; the text has the reason.
func TestNoDaemon(t *testing.T) {
	missing := socketIn(t)
	dead := socketIn(t)
	leaveDead(t, dead)
	file := socketIn(t)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for socket, want := range map[string]string{
		missing: missing + " does not exist",
		filepath.Join(missing, "deeper", "x.sock"): "x.sock does not exist",
		dead: "nobody listens on " + dead,
		file: "nobody listens on " + file,
	} {
		for name, call := range calls {
			t.Run(name+"/"+want[:10], func(t *testing.T) {
				err := call(t.Context(), dial(t, socket))
				if !errors.Is(err, ErrNoDaemon) || errors.Is(err, ErrPermission) {
					t.Errorf("error is %v, want ErrNoDaemon", err)
				}
				checkError(t, err, want)
			})
		}
	}
}

func TestSocketPathThatCannotBe(t *testing.T) {
	long := "/" + strings.Repeat("x", 108)
	_, err := dial(t, long).Info(t.Context())
	checkError(t, err, "longer than 107 bytes")
	if errors.Is(err, ErrNoDaemon) || errors.Is(err, ErrPermission) {
		t.Errorf("%v is a sentinel of another case", err)
	}
}

// Forbidden to connect is told from nobody there, for a socket without write
// permission and for a directory without search permission.
func TestPermission(t *testing.T) {
	for _, test := range []string{"socket", "directory"} {
		t.Run(test, func(t *testing.T) {
			socket := socketIn(t)
			serve(t, socket, answerJSON(t, sampleInfo()))
			closed := socket
			if test == "directory" {
				closed = filepath.Dir(socket)
			} else if err := os.Chmod(filepath.Dir(socket), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(closed, 0o000); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.Chmod(closed, 0o700) })
			client := NewClient(func(ctx context.Context) (net.Conn, error) { return dialAsNobody(socket) })
			defer client.Close()
			_, err := client.Info(t.Context())
			if !errors.Is(err, ErrPermission) || errors.Is(err, ErrNoDaemon) {
				t.Errorf("error is %v, want ErrPermission", err)
			}
			checkError(t, err, "may not connect to "+socket)
		})
	}
}

// dialAsNobody connects without root's right to open everything: setfsuid(2)
// takes CAP_DAC_OVERRIDE away, from this one thread.
func dialAsNobody(socket string) (net.Conn, error) {
	const nobody = 65534
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	self := os.Geteuid()
	syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0)
	defer syscall.RawSyscall(syscall.SYS_SETFSUID, uintptr(self), 0, 0)
	return net.Dial("unix", socket)
}

// A daemon that is there and says nothing costs the caller's deadline, not more.
func TestSilentDaemon(t *testing.T) {
	socket := socketIn(t)
	listenSilent(t, socket)
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			err := call(ctx, dial(t, socket))
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNoDaemon) {
				t.Errorf("error is %v, want DeadlineExceeded", err)
			}
			checkError(t, err, "did not answer in time")
		})
	}
}

// The client has a deadline of its own, also for an answer that never ends.
func TestOwnTimeout(t *testing.T) {
	t.Parallel()
	silent := socketIn(t)
	listenSilent(t, silent)
	trickle := socketIn(t)
	serve(t, trickle, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	for name, socket := range map[string]string{"silent": silent, "trickle": trickle} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Without a deadline of the client's, this one would be met.
			ctx, cancel := context.WithTimeoutCause(t.Context(), 20*Timeout, errors.New("the test's"))
			defer cancel()
			_, err := dial(t, socket).Info(ctx)
			checkError(t, err, "did not answer in time")
			if ctx.Err() != nil {
				t.Error("the client waited for the caller's deadline")
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	socket := socketIn(t)
	listenSilent(t, socket)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := dial(t, socket).Info(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want Canceled", err)
	}
}

// A full backlog is a daemon that hangs, and not one that is missing.
func TestFullBacklog(t *testing.T) {
	socket := socketIn(t)
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: socket}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	first, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = dial(t, socket).Info(ctx)
	checkError(t, err, "accepts nobody")
	if errors.Is(err, ErrNoDaemon) {
		t.Errorf("%v is ErrNoDaemon", err)
	}
}
