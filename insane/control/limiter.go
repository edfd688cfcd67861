package control

import (
	"context"
	"net"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// The limits of connections at the same time, if the process may open many files. Peers that
// may make changes have places of their own, so that readers cannot keep them out.
const (
	maxReaders  = 64
	maxChangers = 64

	fewest       = 4 // places of either kind
	partOfLimits = 8 // of the descriptors that the process may have, either kind gets an eighth
)

// How long Accept waits for a descriptor or memory that somebody may give back.
const exhaustedPause = 10 * time.Millisecond

// Listener is a listening Unix socket. *host.ControlListener implements it.
type Listener interface {
	// Accept returns the next connection that admit lets in. The error is net.ErrClosed
	// if the socket is closed.
	Accept(admit func(host.Peer) bool) (*net.UnixConn, error)
}

// limiter accepts connections up to the limits and closes all others at once.
type limiter struct {
	listener Listener
	changer  func(host.Peer) bool // says whether a peer may make changes

	mu                sync.Mutex
	readers, changers pool
}

func newLimiter(l Listener, changer func(host.Peer) bool) *limiter {
	share := max(host.DescriptorLimit()/partOfLimits, fewest)
	return &limiter{
		listener: l, changer: changer,
		readers:  newPool(min(maxReaders, share), readerRate),
		changers: newPool(min(maxChangers, share), rate.Inf),
	}
}

// Accept implements net.Listener. Each connection is a *conn. Only one goroutine may call
// it. If descriptors or memory run out, it closes a reader's connection and goes on.
func (l *limiter) Accept() (net.Conn, error) {
	for {
		c := &conn{limiter: l}
		unix, err := l.listener.Accept(c.admit)
		if err == nil {
			c.UnixConn = unix
			return c, nil
		}
		c.leave()
		if !host.IsExhausted(err) {
			return nil, err
		}
		if !l.evictReader() {
			time.Sleep(exhaustedPause)
		}
	}
}

// Close implements net.Listener. It does nothing: the caller of Serve closes the
// socket.
func (l *limiter) Close() error { return nil }

// Addr implements net.Listener.
func (l *limiter) Addr() net.Addr { return &net.UnixAddr{Net: "unix"} }

// poolOf returns the places for a peer.
func (l *limiter) poolOf(p host.Peer) *pool {
	if l.changer(p) {
		return &l.changers
	}
	return &l.readers
}

// evictReader closes the oldest connection of the user that has the most connections of
// readers. It returns false if there is none.
func (l *limiter) evictReader() bool {
	l.mu.Lock()
	var oldest *conn
	if most := l.readers.greediest(); len(most) > 0 {
		oldest = most[0]
	}
	l.mu.Unlock()
	if oldest == nil {
		return false
	}
	oldest.Close() // its descriptor is needed
	return true
}

// conn is a connection that has a place until it is closed. The limiter closes it early if
// its user has more places than others, and one of them wants to come in.
type conn struct {
	*net.UnixConn
	peer    host.Peer
	limiter *limiter
	pool    *pool // nil: it never had a place
}

// admit takes a place for a peer. It returns false if there is none.
func (c *conn) admit(p host.Peer) bool {
	l, places := c.limiter, c.limiter.poolOf(p)
	c.peer = p
	l.mu.Lock()
	ok, evicted := places.enter(c)
	l.mu.Unlock()
	if evicted != nil {
		go evicted.Close() // it waits until nobody reads from the connection
	}
	if ok {
		c.pool = places
	}
	return ok
}

// leave gives the place back. A second call does nothing.
func (c *conn) leave() {
	l := c.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.pool != nil {
		c.pool.leave(c)
	}
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.leave()
	return c.UnixConn.Close()
}

// The keys of a peer's credentials and of its connection in the context of a request.
type (
	peerKey struct{}
	connKey struct{}
)

// withPeer puts the credentials of a connection's peer, and the connection, into the context
// of its requests.
func withPeer(ctx context.Context, nc net.Conn) context.Context {
	if c, ok := nc.(*conn); ok {
		return context.WithValue(context.WithValue(ctx, peerKey{}, c.peer), connKey{}, c)
	}
	return ctx
}

// commandOf returns the name of the process that has made the connection of a request, as it
// is shown; "" if it is not known. It waits for nothing.
func commandOf(ctx context.Context) string {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		return api.ShowName(host.CommandOf(c.UnixConn))
	}
	return ""
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
