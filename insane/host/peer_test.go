package host

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
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

// PeerOf returns the credentials of the process that connected, with all its groups.
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
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "role-client", l.path)
		cmd.Dir = "/"
		cmd.Stderr = os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL,
			Credential: &syscall.Credential{Uid: c.uid, Gid: c.gid, Groups: c.groups}}
		must(t, cmd.Start())
		conn, err := l.AcceptUnix()
		must(t, err)
		peer, err := PeerOf(conn)
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

// PeerOf of a closed connection fails.
func TestPeerOfClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "insane.sock")
	l := listen(t, path)
	client, err := net.Dial("unix", path)
	must(t, err)
	defer client.Close()
	conn, err := l.AcceptUnix()
	must(t, err)
	must(t, conn.Close())
	if peer, err := PeerOf(conn); err == nil {
		t.Errorf("%+v of a closed connection", peer)
	}
}
