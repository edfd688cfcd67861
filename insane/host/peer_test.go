package host

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// holdConnection is a process that connects to a path and stays until the other end
// closes.
func holdConnection(args []string) error {
	c, err := net.Dial("unix", args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = io.Copy(io.Discard, c) // until the other end closes
	return err
}

// Accept tells the credentials of the process that connects, with all its groups.
func TestPeerOf(t *testing.T) {
	needRoot(t)
	many := make([]uint32, 100) // more than the first buffer has room for
	for i := range many {
		many[i] = uint32(1000 + i)
	}
	for _, c := range []struct {
		uid, gid uint32
		groups   []uint32
		in, out  []uint32
	}{
		{0, 0, nil, []uint32{0}, []uint32{1, 65534}},
		{65534, 65534, nil, []uint32{65534}, []uint32{0, 27}},
		{65534, 65534, []uint32{27, 44}, []uint32{27, 44, 65534}, []uint32{0, 28}},
		{65534, 4711, many, []uint32{4711, 1000, 1099}, []uint32{0, 65534, 1100}},
	} {
		dir, err := os.MkdirTemp("", "insane-peer") // other users may not look into t.TempDir
		must(t, err)
		defer os.RemoveAll(dir)
		must(t, os.Chmod(dir, 0o755))
		l := listen(t, filepath.Join(dir, "insane.sock"))
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "role-client", l.Name())
		cmd.Dir = "/"
		cmd.Stderr = os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL,
			Credential: &syscall.Credential{Uid: c.uid, Gid: c.gid, Groups: c.groups}}
		must(t, cmd.Start())
		var peer Peer
		conn, err := l.Accept(func(p Peer) bool { peer = p; return true })
		must(t, err)
		conn.Close()
		must(t, cmd.Wait())
		groups := slices.Clone(c.groups)
		if peer.UID != c.uid || peer.GID != c.gid || peer.PID != int32(cmd.Process.Pid) || !slices.Equal(slices.Sorted(slices.Values(peer.Groups)), groups) {
			t.Errorf("%+v, want uid %d gid %d pid %d groups %v", peer, c.uid, c.gid, cmd.Process.Pid, groups)
		}
		for _, gid := range c.in {
			if !peer.In(gid) {
				t.Errorf("%+v is not in %d", peer, gid)
			}
		}
		for _, gid := range c.out {
			if peer.In(gid) {
				t.Errorf("%+v is in %d", peer, gid)
			}
		}
	}
}

// The name of the peer's process is known as long as that runs.
func TestCommandOf(t *testing.T) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	if _, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEERPIDFD); errors.Is(err, unix.ENOPROTOOPT) {
		t.Log("the kernel does not know SO_PEERPIDFD: no name is known")
		return
	}
	l := listen(t, filepath.Join(t.TempDir(), "insane.sock"))
	name := filepath.Join(t.TempDir(), "a\x1b b)") // a process may have any name
	self, err := os.Executable()
	must(t, err)
	must(t, os.Symlink(self, name))
	cmd := exec.CommandContext(t.Context(), name, "role-client", l.Name())
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	conn, err := l.Accept(func(Peer) bool { return true })
	must(t, err)
	defer conn.Close()
	if got := CommandOf(conn); got != filepath.Base(name) {
		t.Errorf("%q, want %q", got, filepath.Base(name))
	}
	must(t, cmd.Process.Kill())
	for end := time.Now().Add(10 * time.Second); CommandOf(conn) != ""; time.Sleep(time.Millisecond) {
		if time.Now().After(end) { // /proc still has its name, as nobody has waited for it
			t.Fatal("the name of a process that has ended")
		}
	}
	cmd.Wait()
	if got := CommandOf(conn); got != "" {
		t.Errorf("%q of a process that is gone", got)
	}
	conn.Close()
	if got := CommandOf(conn); got != "" {
		t.Errorf("%q of a connection that is closed", got)
	}
}

// Connections that are not admitted are closed, and the next one is returned.
func TestAcceptRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "insane.sock")
	l := listen(t, path)
	var clients []net.Conn
	for range 3 {
		c, err := net.Dial("unix", path)
		must(t, err)
		defer c.Close()
		clients = append(clients, c)
	}
	asked := 0
	conn, err := l.Accept(func(Peer) bool { asked++; return asked == 3 })
	must(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("x"))
	must(t, err)
	for i, c := range clients {
		n, err := c.Read(make([]byte, 1))
		if admitted := i == 2; admitted != (n == 1 && err == nil) || !admitted && err != io.EOF {
			t.Errorf("client %d: %d bytes, %v", i, n, err)
		}
	}
}

// The kernel refuses descriptors that a peer passes, before and after it is accepted, if it
// knows how to.
func TestAcceptNoDescriptors(t *testing.T) {
	var want error
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSRIGHTS, 1) == nil {
		want = unix.EPERM
	}
	path := filepath.Join(t.TempDir(), "insane.sock")
	l := listen(t, path)
	client, err := net.Dial("unix", path)
	must(t, err)
	defer client.Close()
	for _, accepted := range []bool{false, true} {
		if accepted {
			conn, err := l.Accept(func(Peer) bool { return true })
			must(t, err)
			defer conn.Close()
		}
		_, _, err := client.(*net.UnixConn).WriteMsgUnix([]byte("x"), unix.UnixRights(fd), nil)
		if !errors.Is(err, want) {
			t.Errorf("accepted %v: %v, want %v", accepted, err, want)
		}
	}
}

// Close wakes Accept.
func TestAcceptClosed(t *testing.T) {
	l := listen(t, filepath.Join(t.TempDir(), "insane.sock"))
	ended := make(chan error)
	go func() {
		_, err := l.Accept(func(Peer) bool { return true })
		ended <- err
	}()
	must(t, l.Close())
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, want %v", err, net.ErrClosed)
	}
}
