package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely"
)

// Instance is an insane process, in borea unless a test says otherwise, that a test may end at any moment, also before it
// answers. Tests that only need a device use lab.Daemon.
type Instance struct {
	Client *insanely.Client
	Socket string

	cmd     *lab.Cmd
	process *os.Process
	Log     LogBuffer
	Exited  chan struct{} // closed after err is set
	err     error
}

// Start starts a process and does not wait for its first answer.
func Start(t testing.TB, l *lab.Lab, socket string, args ...string) *Instance {
	t.Helper()
	return StartWith(t, l, nil, socket, args...)
}

// StartWith is Start with additional environment variables.
func StartWith(t testing.TB, l *lab.Lab, env []string, socket string, args ...string) *Instance {
	t.Helper()
	return StartInto(t, l, nil, env, socket, args...)
}

// StartInto is StartWith with both outputs of the process going to a file. The file must be
// nil or stay open until the process ends; with nil they go to Log.
func StartInto(t testing.TB, l *lab.Lab, output *os.File, env []string, socket string, args ...string) *Instance {
	t.Helper()
	return startOn(t, l.Borea, output, env, socket, "insane", append([]string{"--socket", socket}, args...)...)
}

// StartOn is Start on another host than borea, by a command that becomes insane with this socket.
func StartOn(t testing.TB, h *lab.Host, socket, name string, args ...string) *Instance {
	t.Helper()
	return startOn(t, h, nil, nil, socket, name, args...)
}

func startOn(t testing.TB, h *lab.Host, output *os.File, env []string, socket, name string, args ...string) *Instance {
	t.Helper()
	i := &Instance{Socket: socket, Exited: make(chan struct{})}
	i.Client = insanely.NewClient(func(ctx context.Context) (net.Conn, error) {
		return DialFrom(ctx, h, socket)
	})
	i.cmd = h.Command(context.Background(), name, args...)
	// The race detector would sleep for a second at the end of every process.
	i.cmd.Env = append(append(os.Environ(), "GORACE=atexit_sleep_ms=10"), env...)
	i.cmd.Stdout, i.cmd.Stderr = &i.Log, &i.Log
	if output != nil {
		i.cmd.Stdout, i.cmd.Stderr = output, output
	}
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		i.err = i.cmd.Wait()
		close(i.Exited)
	}()
	i.process = labtest.ProcessOf(i.cmd.Process)
	t.Cleanup(func() {
		i.Signal(syscall.SIGKILL)
		<-i.Exited
		i.Client.Close()
		if log := i.Log.String(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic:") {
			t.Errorf("insane is broken:\n%s", log)
		}
	})
	return i
}

// DialFrom connects inside a host, because an abstract socket exists only in the network
// namespace in which it was made.
func DialFrom(ctx context.Context, h *lab.Host, socket string) (conn net.Conn, err error) {
	err = h.Do(func() error {
		var dialer net.Dialer
		conn, err = dialer.DialContext(ctx, "unix", socket)
		return err
	})
	return conn, err
}

// Ready waits for the first answer. The timeout of the client fits daemons that run
// already; a daemon that has just made its socket may take longer on a busy machine.
func (i *Instance) Ready(t testing.TB) *Instance {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), labtest.Patience)
	defer cancel()
	go func() {
		<-i.Exited
		cancel()
	}()
	for {
		_, err := i.Client.Wait(ctx)
		if err == nil {
			return i
		}
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("insane does not answer: %v\n%s", err, i.Log.String())
		}
	}
}

// PID returns the process ID of the daemon.
func (i *Instance) PID() int { return i.process.Pid }

// Signal sends a signal to the process. It is no error if the process has ended.
func (i *Instance) Signal(s os.Signal) { _ = i.process.Signal(s) }

// Kill ends the process with SIGKILL, and waits until it has ended.
func (i *Instance) Kill() {
	i.Signal(syscall.SIGKILL)
	<-i.Exited
}

// End waits for the process to end by itself and returns its exit code.
func (i *Instance) End(t testing.TB) int {
	t.Helper()
	select {
	case <-i.Exited:
	case <-time.After(labtest.Patience):
		t.Fatalf("insane does not end\n%s", i.Log.String())
	}
	return i.cmd.ProcessState.ExitCode()
}

// LogBuffer is a buffer that may be read while a process writes to it.
type LogBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (b *LogBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String returns everything that was written so far.
func (b *LogBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Seeded returns a source of randomness. The log of the test has its seed, and a test run
// can be given the same seed again.
func Seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(EnvInt(t, "INSANE_SEED", int(rand.Uint32())))
	t.Logf("INSANE_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// EnvInt returns a number that an environment variable may increase for longer runs.
func EnvInt(t testing.TB, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s=%q: want a whole number", name, text)
	}
	return n
}

// Soak multiplies the rounds of a test by INSANE_SOAK.
func Soak(t testing.TB, rounds int) int { return rounds * max(1, EnvInt(t, "INSANE_SOAK", 1)) }

// Long reports whether tests are to take their long form, which measures more packets and compares
// times: INSANE_SOAK is 1 or more.
func Long(t testing.TB) bool { return EnvInt(t, "INSANE_SOAK", 0) > 0 }

// SocketPath returns a path for a control socket. It is removed when the test ends.
func SocketPath(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(t.TempDir(), fmt.Sprintf("%s.sock", name))
}
