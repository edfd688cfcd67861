package porttest

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/policy"
)

var _ port.Port = (*Port)(nil)

// numbered makes n frames of one byte, which is the number of the frame.
func numbered(n int) (frames []frame.Frame) {
	for i := range n {
		frames = append(frames, frame.Frame{byte(i)})
	}
	return frames
}

// Read returns the frames that wait, in order, and at most one batch of them.
func TestReadBatches(t *testing.T) {
	for _, c := range []struct {
		batch, offered int
		want           []int
	}{
		{0, 1, []int{1}},
		{0, 70, []int{64, 6}},
		{3, 7, []int{3, 3, 1}},
		{1, 2, []int{1, 1}},
	} {
		p := New(100, c.batch)
		for _, f := range numbered(c.offered) {
			p.In <- f
		}
		next := byte(0)
		for _, want := range c.want {
			frames, err := p.Read(0)
			if err != nil || len(frames) != want {
				t.Errorf("batch %d: %d frames (%v), want %d", c.batch, len(frames), err, want)
			}
			for _, f := range frames {
				if f[0] != next {
					t.Errorf("frame %d came where %d should", f[0], next)
				}
				next++
			}
		}
	}
}

// Read returns nothing at the time that it was given, by the clock of the port.
func TestReadUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, began := New(1, 0), time.Now()
		p.Clock = func() policy.Time { return policy.Time(time.Since(began)) + 7 }
		if frames, err := p.Read(7 + 1000); len(frames) > 0 || err != nil || time.Since(began) != 1000 {
			t.Errorf("%d frames, %v, after %v; want none after 1µs", len(frames), err, time.Since(began))
		}
		p.In <- frame.Frame{1}
		if frames, err := p.Read(1 << 60); len(frames) != 1 || err != nil {
			t.Errorf("%d frames, %v; want 1", len(frames), err)
		}
	})
}

// A frame that was written stays the same when the writer uses its memory again.
func TestWriteCopies(t *testing.T) {
	p := New(1, 0)
	f := frame.Frame{1}
	if n, err := p.Write([]frame.Frame{f}); n != 1 || err != nil {
		t.Fatalf("%d written, %v", n, err)
	}
	f[0] = 2
	if got := <-p.Out; got[0] != 1 {
		t.Error("the frame changed after Write")
	}
}

// Write stops at a frame that is refused, and can go on with the frames behind it.
func TestFail(t *testing.T) {
	p := New(10, 0)
	p.Fail(func(f frame.Frame) error {
		if f[0] == 2 {
			return port.ErrBusy
		}
		return nil
	})
	frames := numbered(5)
	if n, err := p.Write(frames); n != 2 || !errors.Is(err, port.ErrBusy) {
		t.Errorf("%d written, %v; want 2 and %v", n, err, port.ErrBusy)
	}
	if n, err := p.Write(frames[3:]); n != 2 || err != nil {
		t.Errorf("%d written, %v; want 2", n, err)
	}
	p.Fail(nil)
	if n, err := p.Write(frames); n != 5 || err != nil {
		t.Errorf("%d written, %v; want all", n, err)
	}
	if len(p.Out) != 9 {
		t.Errorf("%d came out, want 9", len(p.Out))
	}
}

// Close wakes Read and Write, and every later call returns os.ErrClosed.
func TestCloseWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(0, 0)
		ended := make(chan error)
		go func() {
			_, err := p.Read(0)
			ended <- err
		}()
		go func() {
			n, err := p.Write(numbered(1))
			if n != 0 {
				err = errors.New("written to nobody")
			}
			ended <- err
		}()
		synctest.Wait() // until both are blocked
		for range 2 {
			if err := p.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		for range 2 {
			if err := <-ended; !errors.Is(err, os.ErrClosed) {
				t.Errorf("woken with %v, want %v", err, os.ErrClosed)
			}
		}
	})
	p := New(1, 0)
	p.Close()
	if n, err := p.Write(numbered(1)); n != 0 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %d written, %v; want %v", n, err, os.ErrClosed)
	}
}
