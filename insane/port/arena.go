package port

import "github.com/seed-39a139a1/insane/insane/frame"

const (
	// batchFrames ends a batch of small frames: long enough to share the
	// cost of a wake-up, short enough that the first frame does not wait for
	// more than some ten microseconds of reading.
	batchFrames = 64

	// arenaLen ends a batch of large frames. Four of the largest keep the
	// memory that is copied in and out again inside a second-level cache;
	// with room for 64 of them every copy would miss it.
	arenaLen = 4 * frame.MaxLen

	// frameAlign keeps frames from sharing a cache line.
	frameAlign = 64
)

// arena is the memory of one port's batch: frames one behind the other, valid
// until reset.
type arena struct {
	mem    []byte
	used   int
	frames []frame.Frame
}

func newArena() arena {
	return arena{mem: make([]byte, arenaLen), frames: make([]frame.Frame, 0, batchFrames)}
}

func (a *arena) reset() {
	a.used = 0
	a.frames = a.frames[:0]
}

// full says that a further frame, which may be one of the longest, has no room.
func (a *arena) full() bool {
	return len(a.frames) == batchFrames || len(a.mem)-a.used < frame.MaxLen
}

// next is where to read the next frame to. Only if full says no.
func (a *arena) next() []byte {
	return a.mem[a.used : a.used+frame.MaxLen]
}

// took records that the bytes [from, to) of next are a frame.
func (a *arena) took(from, to int) {
	from, to = a.used+from, a.used+to
	a.frames = append(a.frames, frame.Frame(a.mem[from:to:to]))
	a.used = (to + frameAlign - 1) &^ (frameAlign - 1)
}
