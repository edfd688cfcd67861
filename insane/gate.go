package insane

import (
	"context"
	"net"
	"os"
	"sync"

	"github.com/seed-39a139a1/insane/insane/host"
)

// Connections served at a time. Who may change the device has places of their
// own: no crowd of readers keeps them out.
const (
	maxReaders  = 64
	maxChangers = 64
)

// mayChange says whether the credentials suffice for a change: root, the
// daemon's own user, or the control group.
func (d *Device) mayChange(p host.Peer) bool {
	return p.UID == 0 || p.UID == uint32(os.Geteuid()) ||
		d.host != nil && d.host.group != nil && p.In(*d.host.group)
}

// gate accepts connections while there is room and closes the others at once.
type gate struct {
	*host.ControlListener
	changer func(host.Peer) bool

	mu   sync.Mutex
	open map[bool]int // connections by whether the peer may change
}

func newGate(l *host.ControlListener, changer func(host.Peer) bool) *gate {
	return &gate{ControlListener: l, changer: changer, open: make(map[bool]int)}
}

// Accept implements net.Listener.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.AcceptUnix()
		if err != nil {
			return nil, err
		}
		peer, err := host.PeerOf(c)
		changer := err == nil && g.changer(peer)
		if err != nil || !g.enter(changer) {
			c.Close()
			continue
		}
		return &guest{UnixConn: c, peer: peer, changer: changer, gate: g}, nil
	}
}

// Close implements net.Listener. The socket is the device's to close.
func (g *gate) Close() error { return nil }

func (g *gate) enter(changer bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if changer && g.open[true] >= maxChangers || !changer && g.open[false] >= maxReaders {
		return false
	}
	g.open[changer]++
	return true
}

func (g *gate) leave(changer bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open[changer]--
}

// guest is a connection that counts until it is closed.
type guest struct {
	*net.UnixConn
	peer    host.Peer
	changer bool // as which it was let in
	gate    *gate
	once    sync.Once
}

// Close implements net.Conn.
func (c *guest) Close() error {
	c.once.Do(func() { c.gate.leave(c.changer) })
	return c.UnixConn.Close()
}

type peerKey struct{}

func withPeer(ctx context.Context, c net.Conn) context.Context {
	if g, ok := c.(*guest); ok {
		return context.WithValue(ctx, peerKey{}, g.peer)
	}
	return ctx
}

// nobody is the peer of a request that came over no guest: it may not change
// anything.
var nobody = host.Peer{UID: ^uint32(0), GID: ^uint32(0)}

func peerOf(ctx context.Context) host.Peer {
	if p, ok := ctx.Value(peerKey{}).(host.Peer); ok {
		return p
	}
	return nobody
}
