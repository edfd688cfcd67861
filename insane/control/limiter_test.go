package control

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/host"
)

// limited is a limiter on a new socket. It calls changer when a peer connects, to decide
// what the peer counts as.
type limited struct {
	t        *testing.T
	path     string
	changer  atomic.Bool
	accepted chan net.Conn
}

func newLimited(t *testing.T) *limited {
	t.Helper()
	d := &limited{t: t, path: t.TempDir() + "/insane.sock", accepted: make(chan net.Conn, maxReaders+maxChangers)}
	l, err := host.ListenControl(d.path)
	if err != nil {
		t.Fatal(err)
	}
	lim := newLimiter(l, func(host.Peer) bool { return d.changer.Load() })
	ended := make(chan error)
	go func() {
		for {
			c, err := lim.Accept()
			if err != nil {
				ended <- err
				return
			}
			d.accepted <- c
		}
	}()
	t.Cleanup(func() {
		l.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v, want %v", err, net.ErrClosed)
		}
	})
	return d
}

// connect returns the accepted end of a new connection, or nil if it was refused.
func (d *limited) connect() net.Conn {
	d.t.Helper()
	c, err := net.Dial("unix", d.path)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { c.Close() })
	refused := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		refused <- err
	}()
	select {
	case accepted := <-d.accepted:
		return accepted
	case err := <-refused:
		if !errors.Is(err, io.EOF) {
			d.t.Errorf("refused with %v, want the end of the connection", err)
		}
		return nil
	case <-time.After(20 * time.Second):
		d.t.Fatal("neither accepted nor refused")
		return nil
	}
}

// fill connects until a connection is refused.
func (d *limited) fill() (conns []net.Conn) {
	d.t.Helper()
	for len(conns) <= maxReaders+maxChangers {
		c := d.connect()
		if c == nil {
			return conns
		}
		conns = append(conns, c)
	}
	d.t.Fatal("no connection is refused")
	return nil
}

// The number of readers is limited. Readers do not keep out peers that may make changes,
// and the other way round.
func TestLimiterLimits(t *testing.T) {
	d := newLimited(t)
	if n := len(d.fill()); n != maxReaders {
		t.Errorf("%d readers were accepted, want %d", n, maxReaders)
	}
	d.changer.Store(true)
	if n := len(d.fill()); n != maxChangers {
		t.Errorf("%d changers were accepted, want %d", n, maxChangers)
	}
	d.changer.Store(false)
	if d.connect() != nil {
		t.Error("a reader was accepted beyond the limit")
	}
}

// A closed connection makes room for one of the same kind, even if it is closed several
// times.
func TestLimiterLeave(t *testing.T) {
	d := newLimited(t)
	readers := d.fill()
	d.changer.Store(true)
	for range 2 {
		readers[0].Close()
	}
	if n := len(d.fill()); n != maxChangers {
		t.Errorf("%d changers were accepted after a reader left, want %d", n, maxChangers)
	}
	d.changer.Store(false)
	if n := len(d.fill()); n != 1 {
		t.Errorf("%d readers were accepted after one left, want 1", n)
	}
	for _, r := range readers[1:11] {
		r.Close()
	}
	if n := len(d.fill()); n != 10 {
		t.Errorf("%d readers were accepted after ten left, want 10", n)
	}
}

// exhausted is a listener that has no descriptor for some connections.
type exhausted struct {
	Listener
	fails int
}

func (e *exhausted) Accept(admit func(host.Peer) bool) (*net.UnixConn, error) {
	if e.fails--; e.fails >= 0 {
		admit(host.Peer{})
		return nil, os.NewSyscallError("accept", syscall.EMFILE)
	}
	return e.Listener.Accept(admit)
}

// When descriptors run out, readers lose their connections, the oldest first, and the next
// connection is accepted. A connection that could not be made leaves no place taken.
func TestLimiterEvictsWhenExhausted(t *testing.T) {
	path := t.TempDir() + "/insane.sock"
	listener, err := host.ListenControl(path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	e := &exhausted{Listener: listener}
	l := newLimiter(e, func(host.Peer) bool { return false })
	var clients []net.Conn
	for n := range 4 {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
		if n == 3 {
			e.fails = 2
		}
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer accepted.Close()
	}
	for n, c := range clients {
		c.SetReadDeadline(time.Now().Add(time.Second))
		if n >= 2 {
			c.SetReadDeadline(time.Now().Add(time.Millisecond))
		}
		if _, err := c.Read(make([]byte, 1)); (n < 2) != errors.Is(err, io.EOF) {
			t.Errorf("connection %d: %v", n, err)
		}
	}
	if l.readers.taken != 2 {
		t.Errorf("%d places are taken, want 2", l.readers.taken)
	}
}

// A connection of the limiter has the credentials of its peer. The peer of any
// other connection is nobody.
func TestLimiterKnowsPeer(t *testing.T) {
	d := newLimited(t)
	ctx := withPeer(context.Background(), d.connect())
	want := host.Peer{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), PID: int32(os.Getpid())}
	if got := peerOf(ctx); got.UID != want.UID || got.GID != want.GID || got.PID != want.PID {
		t.Errorf("%+v, want %+v", got, want)
	}
	one, two := net.Pipe()
	defer one.Close()
	defer two.Close()
	for _, ctx := range []context.Context{context.Background(), withPeer(context.Background(), one)} {
		if got := peerOf(ctx); got.UID != nobody.UID {
			t.Errorf("%+v, want nobody", got)
		}
	}
}

// Root, the user of the process and the members of the group may make changes.
// Nobody else may, and without a group no group may.
func TestMayChange(t *testing.T) {
	group := uint32(27)
	own := uint32(os.Geteuid())
	for _, c := range []struct {
		peer  host.Peer
		group *uint32
		may   bool
	}{
		{peer: host.Peer{UID: 0, GID: 0}, may: true},
		{peer: host.Peer{UID: own, GID: 4711}, may: true},
		{peer: host.Peer{UID: 4711, GID: 0}},
		{peer: host.Peer{UID: 4711, GID: 27}},
		{peer: host.Peer{UID: 4711, GID: 27}, group: &group, may: true},
		{peer: host.Peer{UID: 4711, GID: 28, Groups: []uint32{26, 27}}, group: &group, may: true},
		{peer: host.Peer{UID: 4711, GID: 28, Groups: []uint32{26}}, group: &group},
		{peer: nobody, group: &group},
		{peer: nobody},
	} {
		s := newServer(nil, Options{Group: c.group})
		if got := s.mayChange(c.peer); got != c.may {
			t.Errorf("%+v: %v, want %v", c.peer, got, c.may)
		}
	}
	if newServer(nil, Options{}).mayChange(host.Peer{UID: 4711}) {
		t.Error("without options everybody may make changes")
	}
}
