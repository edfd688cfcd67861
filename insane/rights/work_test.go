package rights

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// child is the environment variable that makes the test binary one of the children.
const child = "INSANE_RIGHTS_CHILD"

// children are processes that lose rights for good, and so cannot be the test itself. Each
// ends with status 1 if a check fails.
var children = map[string]func(check func(err error, what string)){
	"filtered": filtered, "reduced": reduced, "handed": handed, "unhanded": unhanded, "heldless": heldLess,
}

func TestMain(m *testing.M) {
	run := children[os.Getenv(child)]
	if run == nil {
		os.Exit(m.Run())
	}
	status := 0
	run(func(err error, what string) {
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
			status = 1
		}
	})
	os.Exit(status)
}

// deathSignal is the signal that runChild orders for the end of a child when this process, or the thread
// that has started the child, ends. It does no harm.
const deathSignal = syscall.SIGURG

// runChild runs one of the children and fails if it does.
func runChild(t *testing.T, name string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), child+"="+name, "GORACE=atexit_sleep_ms=0")
	cmd.Dir = t.TempDir()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: deathSignal}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// work does what a daemon does, as far as that needs no rights: files, sockets, threads,
// memory, timers, signals.
func work(check func(error, string)) {
	check(os.WriteFile("file", []byte("x"), 0o600), "write a file")
	check(os.Chmod("file", 0o666), "change its mode")
	_, err := os.ReadDir(".")
	check(err, "read a directory")
	check(os.Remove("file"), "remove it")
	_, err = os.ReadFile("/proc/sys/net/ipv4/conf/all/rp_filter")
	check(err, "read a setting")

	listener, err := net.Listen("unix", filepath.Join(".", "socket"))
	check(err, "listen")
	conn, err := net.DialTimeout("unix", "socket", time.Second)
	check(err, "connect")
	check(conn.Close(), "close the connection")
	check(listener.Close(), "stop listening")
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	check(err, "open a netlink socket")
	check(unix.Close(fd), "close it")

	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			runtime.LockOSThread() // a thread of its own
			time.Sleep(time.Millisecond)
		})
	}
	group.Wait()
	memory := make([][]byte, 50)
	for i := range memory {
		memory[i] = make([]byte, 1<<20)
	}
	runtime.GC()

	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGTERM)
	check(syscall.Kill(os.Getpid(), syscall.SIGTERM), "send a signal to itself")
	select {
	case <-caught:
	case <-time.After(10 * time.Second):
		check(os.ErrDeadlineExceeded, "catch a signal")
	}
}
