package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely"
)

// patience bounds every wait of these tests for something that has to happen.
// It is generous on purpose: a slow machine is no bug.
const patience = 20 * time.Second

// instance is an insane process in borea that a test may end at any moment,
// also before it answers. lab.Daemon is for those that only want a device.
type instance struct {
	Client *insanely.Client
	Socket string

	cmd    *lab.Cmd
	log    logBuffer
	exited chan struct{} // closed after err was set
	err    error
}

// start begins a process and does not wait for it to answer.
func start(t testing.TB, l *lab.Lab, socket string, args ...string) *instance {
	t.Helper()
	return startWith(t, l, nil, socket, args...)
}

// startWith is start with more environment.
func startWith(t testing.TB, l *lab.Lab, env []string, socket string, args ...string) *instance {
	t.Helper()
	i := &instance{Socket: socket, exited: make(chan struct{})}
	i.Client = insanely.NewClient(func(ctx context.Context) (net.Conn, error) {
		return dialFrom(ctx, l.Borea, socket)
	})
	i.cmd = l.Borea.Command(context.Background(), "insane", append([]string{"--socket", socket}, args...)...)
	// The race detector would sleep for a second at the end of every process.
	i.cmd.Env = append(append(os.Environ(), "GORACE=atexit_sleep_ms=10"), env...)
	i.cmd.Stdout, i.cmd.Stderr = &i.log, &i.log
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		i.err = i.cmd.Wait()
		close(i.exited)
	}()
	t.Cleanup(func() {
		i.signal(syscall.SIGKILL)
		<-i.exited
		i.Client.Close()
		if log := i.log.String(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic:") {
			t.Errorf("insane is broken:\n%s", log)
		}
	})
	return i
}

// dialFrom connects inside a host: an abstract socket is known in the network
// namespace alone that it was made in.
func dialFrom(ctx context.Context, h *lab.Host, socket string) (conn net.Conn, err error) {
	err = h.Do(func() error {
		var dialer net.Dialer
		conn, err = dialer.DialContext(ctx, "unix", socket)
		return err
	})
	return conn, err
}

// ready waits for the first answer. The client's own timeout is for daemons that
// run; one that has just made its socket may take longer on a busy machine.
func (i *instance) ready(t testing.TB) *instance {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go func() {
		<-i.exited
		cancel()
	}()
	for {
		_, err := i.Client.Wait(ctx)
		if err == nil {
			return i
		}
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("insane does not answer: %v\n%s", err, i.log.String())
		}
	}
}

func (i *instance) signal(s os.Signal) { _ = i.cmd.Process.Signal(s) } // it may have ended

// kill ends the process as nothing else can, and waits until it is no more.
func (i *instance) kill() {
	i.signal(syscall.SIGKILL)
	<-i.exited
}

// end waits for the process to end by itself and returns its exit code.
func (i *instance) end(t testing.TB) int {
	t.Helper()
	select {
	case <-i.exited:
	case <-time.After(patience):
		t.Fatalf("insane does not end\n%s", i.log.String())
	}
	return i.cmd.ProcessState.ExitCode()
}

// logBuffer may be read while a process writes to it.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// seeded is a source of randomness whose seed is in the log of the test and can
// be given again.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(envInt(t, "INSANE_SEED", int(rand.Uint32())))
	t.Logf("INSANE_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// envInt is a number that a soak run makes larger.
func envInt(t testing.TB, name string, usual int) int {
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

// soak multiplies the rounds of a test by INSANE_SOAK.
func soak(t testing.TB, rounds int) int { return rounds * max(1, envInt(t, "INSANE_SOAK", 1)) }

// eventually polls for what the kernel or the daemon does on its own time.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// run runs a command in a host and returns both of its outputs; it must succeed.
func run(t testing.TB, h *lab.Host, name string, args ...string) string {
	t.Helper()
	out, err := h.Command(context.Background(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// fails runs a command in a host that must fail, and returns its exit code and
// what it wrote.
func fails(t testing.TB, h *lab.Host, name string, args ...string) (code int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	text, err := h.Command(ctx, name, args...).CombinedOutput()
	exit, ok := err.(*exec.ExitError)
	if !ok {
		t.Fatalf("%s %s: want an exit status, got %v\n%s", name, strings.Join(args, " "), err, text)
	}
	return exit.ExitCode(), string(text)
}

// socketPath is a path for a control socket that goes with the test.
func socketPath(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(t.TempDir(), fmt.Sprintf("%s.sock", name))
}
