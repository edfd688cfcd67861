package frame_test

import (
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// TestCrafted holds what must be true of any bytes: nothing panics, each frame is refused for
// a reason or has packets whose sum is the frame, and what Split makes of it are frames that
// Inspect accepts, with the bytes that the layout promised. INSANE_FRAMES is how many frames
// it makes, INSANE_SEED where it begins.
func TestCrafted(t *testing.T) {
	frames, seed := 50_000, uint64(1)
	if text := os.Getenv("INSANE_FRAMES"); text != "" {
		frames, _ = strconv.Atoi(text)
	}
	if text := os.Getenv("INSANE_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	c := crafter{Rand: rand.New(rand.NewPCG(seed, 21)), kinds: slices.Sorted(maps.Keys(tunnelKinds())), tunnels: tunnelKinds()}
	var counts struct{ accepted, tunnels, big, malformed, unsupported int }
	for n := range frames {
		f := c.frame()
		buf := append(make([]byte, frame.TagLen), f...)
		if c.IntN(4) == 0 {
			f = frame.InsertTag(buf, typeTag, uint16(c.IntN(1<<16)))
		}
		frame.MakePartial(f)
		frame.FinishCRC(f)
		l, err := frame.Inspect(f)
		switch {
		case errors.Is(err, frame.ErrMalformed):
			counts.malformed++
			continue
		case errors.Is(err, frame.ErrUnsupported):
			counts.unsupported++
			continue
		case err != nil:
			t.Fatalf("frame %d: %v is no reason", n, err)
		}
		counts.accepted++
		if !l.Whole() {
			counts.tunnels++
		}
		if len(f) > frame.UsualLen {
			counts.big++
		}
		c.split(named{t, "frame " + strconv.Itoa(n)}, f, l)
	}
	t.Logf("of %d frames: %+v", frames, counts)
	if least := frames / 100; counts.accepted < 20*least || counts.tunnels < least || counts.malformed < least || counts.unsupported < least/10 {
		t.Errorf("%+v of %d: that is no test", counts, frames)
	}
}

// crafter makes frames: valid ones, damaged ones, and noise.
type crafter struct {
	*rand.Rand
	kinds    []string
	tunnels  map[string]tunnel
	splitter frame.Splitter
	relay    []bool
}

func (c *crafter) frame() frame.Frame {
	if c.IntN(10) == 0 {
		return c.noise()
	}
	s := randomSuper(c.Rand)
	s.payload = min(s.payload, 3000)
	var f frame.Frame
	if c.IntN(1000) == 0 {
		s.payload, s.tags = 65536+c.IntN(400_000), nil
		s.gso = max(s.gso, 500)
		f, _ = bigSuper(s, s.family == 6 && len(s.ipv6) == 0 && c.IntN(2) == 0)
	} else {
		f = s.build()
	}
	for len(s.tags) == 0 && len(f) < 60_000 && c.IntN(2) == 0 {
		u := c.tunnels[c.kinds[c.IntN(len(c.kinds))]]
		f = u.wrapFrame(f)
		if u.family == 0 {
			break
		}
	}
	c.damage(f)
	if c.IntN(8) == 0 {
		f = f[:c.IntN(len(f)+1)]
	}
	return f
}

// damage changes some bytes of the headers.
func (c *crafter) damage(f frame.Frame) {
	if c.IntN(3) == 0 {
		return
	}
	for range c.IntN(4) {
		at := c.IntN(min(len(f), frame.HeaderLen+160))
		switch c.IntN(3) {
		case 0:
			f[at] ^= 1 << c.IntN(8)
		case 1:
			f[at] = byte(c.Uint32())
		case 2:
			f[at] = []byte{0, 1, 0x7f, 0x80, 0xff}[c.IntN(5)]
		}
	}
}

func (c *crafter) noise() frame.Frame {
	f := make(frame.Frame, c.IntN(300))
	for i := range f {
		f[i] = byte(c.Uint32())
	}
	if len(f) > 24 && c.IntN(2) == 0 {
		f[1] = []byte{0, 1, 3, 4, 5, 0x21, 0x44, 0x81}[c.IntN(8)]
		f[frame.HeaderLen+12], f[frame.HeaderLen+13] = 8, 0
	}
	return f
}

// split splits a frame by random verdicts and checks the sums.
func (c *crafter) split(t named, f frame.Frame, l frame.Layout) {
	t.Helper()
	n := l.Packets()
	if n > frame.MaxLen {
		t.Fatalf("%d packets in %d bytes", n, len(f))
	}
	c.relay = c.relay[:0]
	chance := c.IntN(5)
	for range n {
		c.relay = append(c.relay, c.IntN(4) < chance)
	}
	if l.Whole() && !slices.Contains(c.relay, false) {
		return
	}
	want, packets := uint64(0), 0
	for i, stays := range c.relay {
		if stays {
			want += l.Bytes(i, i+1)
			packets++
		}
	}
	c.splitter.Reset()
	for _, r := range c.splitter.Split(f, l, c.relay, nil) {
		got, err := frame.Inspect(r)
		if err != nil || len(r) > frame.UsualLen {
			t.Fatalf("a result of %d bytes: %v", len(r), err)
		}
		want -= got.Bytes(0, got.Packets())
		packets -= got.Packets()
	}
	if want != 0 || packets != 0 {
		t.Fatalf("%d packets, %d bytes missing", packets, int64(want))
	}
}
