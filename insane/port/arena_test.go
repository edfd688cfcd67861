package port

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// The frames of a batch have memory of their own, whatever their lengths are, and cannot
// grow into each other. Either the arena is full, or it has room for the longest frame.
func TestArena(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	a := newArena()
	for range 200 {
		a.reset()
		longest := 1 << (4 + random.IntN(13)) // few large frames, or many small ones
		for number := byte(0); !a.full(); number++ {
			next := a.next()
			if len(next) < frame.MaxLen+longHeaderAdd {
				t.Fatalf("room for %d bytes, want %d", len(next), frame.MaxLen+longHeaderAdd)
			}
			n := 1 + random.IntN(min(longest, frame.MaxLen))
			from := random.IntN(2) * min(n-1, frame.TagLen) // as a receiver may leave room for a tag
			for i := range n {
				next[i] = number
			}
			a.took(from, n)
		}
		checkFrames(t, &a)
	}
}

func checkFrames(t *testing.T, a *arena) {
	t.Helper()
	frames := a.frames
	if len(frames) == 0 || len(frames) > batchFrames {
		t.Fatalf("%d frames, want 1 to %d", len(frames), batchFrames)
	}
	for number, f := range frames {
		if cap(f) != len(f) {
			t.Fatalf("frame %d of %d bytes could grow to %d", number, len(f), cap(f))
		}
		if at := uintptr(unsafe.Pointer(&f[0])); (at-uintptr(unsafe.Pointer(&a.mem[0])))%frameAlign > frame.TagLen {
			t.Fatalf("frame %d shares a cache line", number)
		}
		for i, b := range f {
			if b != byte(number) {
				t.Fatalf("byte %d of frame %d is %d: it was overwritten", i, number, b)
			}
		}
	}
}

// An arena that was reset holds as many frames as a new one.
func TestArenaCapacity(t *testing.T) {
	a := newArena()
	for range 3 {
		for _, c := range []struct{ length, want int }{
			{1, batchFrames},
			{1524, batchFrames},
			{frame.UsualLen, 3}, // alignment takes the room of the fourth
			{frame.UsualLen - frame.UsualLen%frameAlign, 4},
			{frame.MaxLen, 1},
		} {
			a.reset()
			for !a.full() {
				a.took(0, c.length)
			}
			if len(a.frames) != c.want {
				t.Errorf("%d frames of %d bytes, want %d", len(a.frames), c.length, c.want)
			}
		}
	}
}
