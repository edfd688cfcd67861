package control

import (
	"context"
	"net"
	"sync"

	"github.com/seed-39a139a1/insane/insane/host"
)

// The limits of connections at the same time. Peers that may make changes have a separate
// limit, so that readers cannot keep them out.
const (
	maxReaders  = 64
	maxChangers = 64
)

// Listener is a listening Unix socket. *net.UnixListener implements it.
type Listener interface {
	net.Listener
	AcceptUnix() (*net.UnixConn, error)
}

// limiter accepts connections up to the limits and closes all others at once.
type limiter struct {
	Listener
	changer func(host.Peer) bool // says whether a peer may make changes

	mu   sync.Mutex
	open map[bool]int // number of connections, by whether the peer may make changes
}

func newLimiter(l Listener, changer func(host.Peer) bool) *limiter {
	return &limiter{Listener: l, changer: changer, open: make(map[bool]int)}
}

// Accept implements net.Listener. Each connection is a *conn.
func (l *limiter) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		peer, err := host.PeerOf(c)
		changer := err == nil && l.changer(peer)
		if err != nil || !l.enter(changer) {
			c.Close()
			continue
		}
		return &conn{UnixConn: c, peer: peer, changer: changer, limiter: l}, nil
	}
}

// Close implements net.Listener. It does nothing: the caller of Serve closes the
// socket.
func (l *limiter) Close() error { return nil }

// enter counts one more connection. It returns false if the limit is reached.
func (l *limiter) enter(changer bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if changer && l.open[true] >= maxChangers || !changer && l.open[false] >= maxReaders {
		return false
	}
	l.open[changer]++
	return true
}

// leave undoes one enter with the same argument.
func (l *limiter) leave(changer bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[changer]--
}

// conn is a connection that counts towards the limit until it is closed.
type conn struct {
	*net.UnixConn
	peer    host.Peer
	changer bool // the kind under which it was counted
	limiter *limiter
	once    sync.Once
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.once.Do(func() { c.limiter.leave(c.changer) })
	return c.UnixConn.Close()
}

type peerKey struct{}

// withPeer puts the credentials of a connection's peer into the context of its
// requests.
func withPeer(ctx context.Context, nc net.Conn) context.Context {
	if c, ok := nc.(*conn); ok {
		return context.WithValue(ctx, peerKey{}, c.peer)
	}
	return ctx
}

// nobody is the peer of a request whose context has no credentials. It may not make
// changes.
var nobody = host.Peer{UID: ^uint32(0), GID: ^uint32(0)}

func peerOf(ctx context.Context) host.Peer {
	if p, ok := ctx.Value(peerKey{}).(host.Peer); ok {
		return p
	}
	return nobody
}
