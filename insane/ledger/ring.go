package ledger

import "sync/atomic"

// Ring is bytes from one goroutine, which never waits, to another one. Push is for the first,
// Pull and Done are for the second.
type Ring struct {
	bytes  []byte
	pushed atomic.Uint64 // bytes, since the beginning
	pulled atomic.Uint64
}

// NewRing makes a ring for so many bytes, 1 at least.
func NewRing(bytes int) *Ring { return &Ring{bytes: make([]byte, bytes)} }

// Push puts bytes into the ring, all or none of them. It returns false if there is no room.
func (r *Ring) Push(b []byte) bool {
	at, size := r.pushed.Load(), uint64(len(r.bytes))
	if uint64(len(b)) > size-(at-r.pulled.Load()) {
		return false
	}
	n := copy(r.bytes[at%size:], b)
	copy(r.bytes, b[n:])
	r.pushed.Store(at + uint64(len(b)))
	return true
}

// Pull returns what is in the ring, the second part behind the first. Both are valid until
// Done. It never splits what one Push has put there.
func (r *Ring) Pull() (first, second []byte) {
	from, to, size := r.pulled.Load(), r.pushed.Load(), uint64(len(r.bytes))
	n := to - from
	first = r.bytes[from%size:]
	if n <= uint64(len(first)) {
		return first[:n], nil
	}
	return first, r.bytes[:n-uint64(len(first))]
}

// Done makes room of so many bytes that Pull has returned.
func (r *Ring) Done(n int) { r.pulled.Add(uint64(n)) }
