package kern

import (
	"sync/atomic"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Exactly as many frames as the limit allows enter, and each frame that is done makes
// room for one more.
func TestLimit(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	queue := c.direction.Queue()
	enter := func(tries int) (entered int) {
		for range tries {
			if c.enter() {
				entered++
			}
		}
		return entered
	}
	if got := enter(2000); got != 2000 {
		t.Fatalf("%d of 2000 frames have entered a queue of any length", got)
	}
	queue.Done(2000)
	const limit = 100
	queue.SetLimit(limit + spare)
	for i, done := range []int{0, 1, limit, 0, 37} {
		queue.Done(done)
		want := done
		if i == 0 {
			want = limit
		}
		if got := enter(3 * limit); got != want {
			t.Errorf("turn %d: %d frames have entered, want %d", i, got, want)
		}
	}
	queue.Done(limit)
	if queue.shared.waiting() {
		t.Error("frames are waiting that never came")
	}
}

// The relay can be done with frames that never entered, because an XDP program redirected
// them to the interface. Later frames have as much room as before, and a little more.
func TestLimitAfterFramesOfXDP(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	queue := c.direction.Queue()
	const limit, redirected = 100, 7
	queue.SetLimit(limit + spare)
	queue.Done(redirected)
	entered := 0
	for range 3 * limit {
		if c.enter() {
			entered++
		}
	}
	if entered != limit+redirected {
		t.Errorf("%d frames have entered, want %d", entered, limit+redirected)
	}
}

// Two CPUs that enter a frame at the same time do not both get the last room.
func TestLimitIsSharedByProcessors(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	queue := c.direction.Queue()
	const limit = 1000
	queue.SetLimit(limit + spare)
	var admitted atomic.Int64
	onProcessors(t, func() {
		for range 20 * limit {
			kept, err := c.bpf.TransmitEnter.Run(&ebpf.RunOptions{Data: make([]byte, 60)})
			if err != nil {
				t.Error(err)
				return
			}
			if kept != 0 {
				admitted.Add(1)
			}
		}
	})
	if entered := queue.shared.entered.Load(); entered != limit || admitted.Load() != limit {
		t.Errorf("%d frames have entered, %d are counted, want %d", admitted.Load(), entered, limit)
	}
}

// A backlog belongs to one slave at a time: calls for the previous slave have no effect.
func TestBacklogChangesHands(t *testing.T) {
	needRoot(t)
	p := openObjects(t, nil)
	first, err := p.RX().Register(7)
	must(t, err)
	first.shared.entered.Add(3)
	first.Done(1)
	first.Release()
	second, err := p.RX().Register(8)
	must(t, err)
	if second.shared != first.shared || second.shared.waiting() {
		t.Error("the free backlog is not the one that was left, or not empty")
	}
	second.shared.entered.Add(2)
	first.Done(2)
	first.Lost(1)
	first.Settle(true)
	first.Settle(true)
	if !second.shared.waiting() || second.shared.done.Load() != 0 {
		t.Errorf("%d done, by who has left", second.shared.done.Load())
	}
	second.Done(2)
	if second.shared.waiting() {
		t.Error("waiting for what is done")
	}
}

// Lost frames do not keep a backlog waiting: counted ones end at once, others when no
// count has changed between two calls of Settle while the relay was idle.
func TestLostFrames(t *testing.T) {
	needRoot(t)
	b, err := openObjects(t, nil).RX().Register(7)
	must(t, err)
	enter := func(frames uint64) { b.shared.entered.Add(frames) }
	waiting := func(what string, want bool) {
		t.Helper()
		if b.shared.waiting() != want {
			t.Errorf("%s: waiting: %v, %d of %d", what, !want, b.shared.done.Load(), b.shared.entered.Load())
		}
	}
	enter(5)
	b.Lost(3)
	waiting("three lost", true)
	b.Lost(3)
	waiting("still three", true)
	b.Lost(5)
	waiting("all five lost", false)
	enter(1)
	b.Settle(true)
	waiting("the first look", true)
	b.Settle(false)
	waiting("the relay is busy", true)
	enter(1)
	b.Settle(true)
	waiting("another has come", true)
	b.Done(1)
	b.Settle(true)
	waiting("one has gone", true)
	b.Settle(true)
	waiting("nothing has moved", false)
	b.Done(1) // the frame was not lost: the counters are wrong then, but not for ever
	waiting("more done than there was", true)
	b.Settle(true)
	b.Settle(true)
	waiting("settled", false)
}

// Frames that the relay holds make room for others, and keep the fast path closed until they
// are done. They do not count as lost. Those that it holds from elsewhere keep it closed, too.
func TestHeldFrames(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	c.open("pass", 0)
	queue := c.direction.Queue()
	const limit = 10
	queue.SetLimit(limit + spare)
	fill := func() (entered int) {
		for range 2 * limit {
			if c.enter() {
				entered++
			}
		}
		return entered
	}
	closed := func(when string, want bool) {
		t.Helper()
		s := sample{family: 4, protocol: unix.IPPROTO_UDP, payload: 100}
		if got, _ := c.transmit(s, s.build(0)); (got == undecided) != want {
			t.Errorf("%s: the fast path says %v, closed should be %v", when, got, want)
		}
	}
	closed("at first", false)
	fill()
	queue.Take(limit)
	for range 3 {
		queue.Settle(true)
	}
	if queue.shared.waiting() {
		t.Error("held frames wait in the queue")
	}
	closed("while frames are held", true)
	if got := fill(); got != limit {
		t.Errorf("%d frames find room, want %d", got, limit)
	}
	queue.Done(limit)
	closed("when all are done", false)
	queue.Hold()
	closed("while others are held", true)
	queue.Done(0)
	closed("when they are done", false)
}
