package insane

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/host"
)

// door is a gate on a socket of its own, with a doorman that lets everybody in
// as what changer says at the moment.
type door struct {
	t       *testing.T
	path    string
	changer atomic.Bool
	inside  chan net.Conn // those that were let in
}

func newDoor(t *testing.T) *door {
	t.Helper()
	d := &door{t: t, path: t.TempDir() + "/insane.sock", inside: make(chan net.Conn, maxReaders+maxChangers)}
	l, err := host.ListenControl(d.path)
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(l, func(host.Peer) bool { return d.changer.Load() })
	ended := make(chan error)
	go func() {
		for {
			c, err := g.Accept()
			if err != nil {
				ended <- err
				return
			}
			d.inside <- c
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

// knock connects and reports the connection if it was let in, or nil.
func (d *door) knock() net.Conn {
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
	case guest := <-d.inside:
		return guest
	case err := <-refused:
		if !errors.Is(err, io.EOF) {
			d.t.Errorf("refused with %v, want the end of the connection", err)
		}
		return nil
	case <-time.After(20 * time.Second):
		d.t.Fatal("neither let in nor refused")
		return nil
	}
}

// fill knocks until nobody is let in any more.
func (d *door) fill() (guests []net.Conn) {
	d.t.Helper()
	for len(guests) <= maxReaders+maxChangers {
		g := d.knock()
		if g == nil {
			return guests
		}
		guests = append(guests, g)
	}
	d.t.Fatal("everybody is let in")
	return nil
}

// A crowd of readers is bounded and does not keep out who may change the
// device, nor the other way round.
func TestGateLimits(t *testing.T) {
	d := newDoor(t)
	if n := len(d.fill()); n != maxReaders {
		t.Errorf("%d readers were let in, want %d", n, maxReaders)
	}
	d.changer.Store(true)
	if n := len(d.fill()); n != maxChangers {
		t.Errorf("%d changers were let in, want %d", n, maxChangers)
	}
	d.changer.Store(false)
	if d.knock() != nil {
		t.Error("a reader took a place that is not there")
	}
}

// Who leaves makes room for one, however often the connection is closed, and of
// the kind as which it was let in.
func TestGateLeave(t *testing.T) {
	d := newDoor(t)
	readers := d.fill()
	d.changer.Store(true)
	for range 2 {
		readers[0].Close()
	}
	if n := len(d.fill()); n != maxChangers {
		t.Errorf("%d changers were let in after a reader left, want %d", n, maxChangers)
	}
	d.changer.Store(false)
	if n := len(d.fill()); n != 1 {
		t.Errorf("%d readers were let in after one left, want 1", n)
	}
	for _, r := range readers[1:11] {
		r.Close()
	}
	if n := len(d.fill()); n != 10 {
		t.Errorf("%d readers were let in after ten left, want 10", n)
	}
}

// A guest brings its credentials, anybody else is nobody.
func TestGateKnowsPeer(t *testing.T) {
	d := newDoor(t)
	guest := d.knock()
	ctx := withPeer(context.Background(), guest)
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

// Root, the daemon's own user and the group may change the device; nobody else,
// and without a group no group.
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
		d := &Device{host: &presence{group: c.group}}
		if got := d.mayChange(c.peer); got != c.may {
			t.Errorf("%+v: %v, want %v", c.peer, got, c.may)
		}
	}
	if (&Device{}).mayChange(host.Peer{UID: 4711}) {
		t.Error("a device without a host is everybody's")
	}
}
