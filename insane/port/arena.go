package port

import "github.com/seed-39a139a1/insane/insane/frame"

const (
	// batchFrames is the most frames of a batch. It is large enough that many frames share
	// the cost of a wake-up. It is small enough that the first frame waits only some ten
	// microseconds until the others are read.
	batchFrames = 64

	// batchLen is how many bytes of frames end a batch. With four frames of the usual
	// greatest length, the memory stays in a second-level cache while it is copied in and
	// out. With 64 of them, every copy would miss the cache.
	batchLen = 3 * frame.UsualLen

	// arenaLen is the size of the memory in bytes: there is room for the longest frame
	// behind a batch that is almost full. Memory behind frames of usual lengths is never
	// touched.
	arenaLen = batchLen + frameAlign + roomLen

	// roomLen is how many bytes there are for one frame, with what a port reads in front of it
	// and takes away.
	roomLen = frame.MaxLen + longHeaderAdd

	// frameAlign is the alignment of a frame in bytes. No two frames share a cache line.
	frameAlign = 64
)

// arena is the memory of the frames of one Read. The frames lie one behind the other and
// are valid until reset. It allocates only in newArena. It is not safe for concurrent use.
type arena struct {
	mem    []byte
	used   int
	frames []frame.Frame
}

// newArena makes an empty arena with all its memory.
func newArena() arena {
	return arena{mem: make([]byte, arenaLen), frames: make([]frame.Frame, 0, batchFrames)}
}

// reset forgets all frames, so that their memory is used again.
func (a *arena) reset() {
	a.used = 0
	a.frames = a.frames[:0]
}

// full reports whether the batch has as many frames or bytes as it may have. If not, there
// is room for one more frame of the greatest length.
func (a *arena) full() bool {
	return len(a.frames) == batchFrames || a.used > batchLen
}

// next returns the memory for the next frame: roomLen bytes. It may be called only if
// full returned false.
func (a *arena) next() []byte {
	return a.mem[a.used : a.used+roomLen]
}

// took records that the bytes [from, to) of what next returned are a frame. The frame's
// capacity ends at its length, so that appending to it cannot overwrite another frame.
func (a *arena) took(from, to int) {
	from, to = a.used+from, a.used+to
	a.frames = append(a.frames, frame.Frame(a.mem[from:to:to]))
	a.used = (to + frameAlign - 1) &^ (frameAlign - 1)
}
