package host

import (
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestAcceptGoesOn: a connection for which there is only one descriptor, where two are needed for a
// moment, is not lost. Other tests may not open files meanwhile, so it is not parallel.
func TestAcceptGoesOn(t *testing.T) {
	l := listen(t, "@insane-accept-test")
	client, err := net.Dial("unix", "@insane-accept-test")
	must(t, err)
	defer client.Close()
	_, err = client.Write([]byte("x"))
	must(t, err)

	everybody := func(Peer) bool { return true }
	restore := leaveOneDescriptor(t)
	_, err = l.Accept(everybody)
	restore()
	if !IsExhausted(err) {
		t.Fatalf("with one descriptor: %v", err)
	}
	late := time.AfterFunc(5*time.Second, func() { l.Close() })
	defer late.Stop()
	c, err := l.Accept(everybody)
	must(t, err)
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Errorf("read what the client has written: %v", err)
	}
}

// leaveOneDescriptor lets the process open one more file, until restore is called.
func leaveOneDescriptor(t *testing.T) (restore func()) {
	t.Helper()
	var before unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	next, err := os.Open(os.DevNull)
	must(t, err)
	few := before
	few.Cur = uint64(next.Fd()) + 1
	must(t, next.Close())
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &few))
	return func() { must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &before)) }
}
