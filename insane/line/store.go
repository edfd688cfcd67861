package line

import (
	"encoding/binary"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

const (
	chunkLen   = 2 << 20 // bytes of a chunk: that of a huge page
	keepChunks = 4       // how many free chunks a line keeps
	align      = 8       // of frames, in bytes

	trimEvery  = second       // how long a chunk must be free before it is given back
	trimChunks = 4            // how many are given back at once
	trimPause  = second / 200 // before more are
)

// place is where a frame is.
type place struct{ chunk, at, length uint32 }

// chunk is memory for frames, one behind the other. When none of them is live, it is free. In
// front of each frame is the turn in which packets were cut off it.
type chunk struct {
	bytes []byte // nil: there is no such chunk
	live  int    // frames
}

// store has the bytes of the frames of a line. The chunk that was freed last is used first: it
// may be in a cache, and the others can be given back if they are not needed for a while.
type store struct {
	memory *Memory
	turn   uint32 // how often release was called
	chunks []chunk
	full   bool     // there is no present chunk
	chunk  uint32   // the present one
	used   int      // bytes of it
	free   []uint32 // free chunks, the last freed at the end
	gone   []uint32 // chunks without memory
	lent   []uint32 // the chunks of frames that release frees

	least   int         // free chunks that were not needed since then
	since   policy.Time // the last look at least
	surplus int         // free chunks to give back
	again   policy.Time // the next time at which some are
}

func newStore(m *Memory) store { return store{memory: m, full: true} }

// put copies a frame. It returns false if there is no memory for it.
func (s *store) put(h *held, f frame.Frame) bool {
	if s.full || s.used+align+len(f) > chunkLen {
		if !s.next() {
			return false
		}
	}
	c := &s.chunks[s.chunk]
	at := s.used + align
	h.at = place{s.chunk, uint32(at), uint32(len(f))}
	copy(c.bytes[at:], f)
	c.live++
	s.used = (at + len(f) + align - 1) &^ (align - 1)
	return true
}

// cut notes that packets are cut off a frame. It reports whether release was called since the
// cut before, which means that its packets are needed no more.
func (s *store) cut(p place) bool {
	turn := s.chunks[p.chunk].bytes[p.at-4:]
	before := binary.NativeEndian.Uint32(turn)
	binary.NativeEndian.PutUint32(turn, s.turn)
	return before != s.turn
}

// frame returns the frame at a place.
func (s *store) frame(p place) frame.Frame {
	return s.chunks[p.chunk].bytes[p.at : p.at+p.length : p.at+p.length]
}

// next makes another chunk the present one. It returns false if there is no memory.
func (s *store) next() bool {
	if n := len(s.free); n > 0 {
		s.chunk, s.free = s.free[n-1], s.free[:n-1]
		s.least = min(s.least, n-1)
	} else {
		b := s.memory.chunk()
		if b == nil {
			return false
		}
		if n := len(s.gone); n > 0 {
			s.chunk, s.gone = s.gone[n-1], s.gone[:n-1]
		} else {
			s.chunk, s.chunks = uint32(len(s.chunks)), append(s.chunks, chunk{})
		}
		s.chunks[s.chunk] = chunk{bytes: b}
	}
	s.full, s.used = false, 0
	return true
}

// lend notes that release is to free a frame.
func (s *store) lend(p place) { s.lent = append(s.lent, p.chunk) }

// release frees what was lent.
func (s *store) release() {
	s.turn++
	for _, i := range s.lent {
		c := &s.chunks[i]
		if c.live--; c.live > 0 {
			continue
		}
		if i == s.chunk && !s.full {
			s.used = 0
		} else {
			s.free = append(s.free, i)
		}
	}
	s.lent = s.lent[:0]
}

// trim gives back chunks that were free all the time for a second, some at a time.
func (s *store) trim(now policy.Time) {
	if now >= s.since+trimEvery {
		s.surplus = max(0, s.least-keepChunks)
		s.since, s.least = now, len(s.free)
	}
	s.surplus = min(s.surplus, len(s.free))
	if s.surplus == 0 || now < s.again {
		return
	}
	drop := min(s.surplus, trimChunks)
	for _, i := range s.free[:drop] { // those that were freed first
		s.memory.free(s.chunks[i].bytes)
		s.chunks[i] = chunk{}
		s.gone = append(s.gone, i)
	}
	s.free = append(s.free[:0], s.free[drop:]...)
	s.surplus -= drop
	s.least = min(s.least, len(s.free))
	s.again = now + trimPause
}

// trims is when trim has something to do, if no more frames come; false: never.
func (s *store) trims() (policy.Time, bool) {
	switch {
	case s.surplus > 0:
		return s.again, true
	case len(s.free) > keepChunks:
		return s.since + trimEvery, true
	}
	return 0, false
}
