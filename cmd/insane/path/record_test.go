package path

import (
	"errors"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/policy"
)

// record holds which packets of a flow arrive, how often, and in which order.
type record struct {
	flow *testbed.Flow
	size func(i int) int // bytes of payload of packet i
	done sync.WaitGroup

	mu       sync.Mutex
	times    []uint8 // by number, how often the packet came
	received int
	last     int      // the greatest number that has arrived
	late     [][2]int // pairs: a number that arrived after a greater one, and the greater one
	changed  int      // packets whose contents differ from those sent, or without a number
}

// newRecord starts receiving a cargo.
func newRecord(t testing.TB, f *testbed.Flow, c testbed.Cargo) *record {
	t.Helper()
	r := &record{flow: f, size: c.Size, times: make([]uint8, c.Count), last: -1}
	_ = f.In.SetReadDeadline(time.Time{})
	r.done.Go(func() {
		for {
			n, err := f.Receiver.ReadBatch(f.Arrived, 0)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
			if err != nil {
				t.Errorf("receive: %v", err)
				return
			}
			r.mu.Lock()
			for _, m := range f.Arrived[:n] {
				r.note(m.Buffers[0][:m.N])
			}
			r.mu.Unlock()
		}
	})
	t.Cleanup(r.end)
	return r
}

func (r *record) note(payload []byte) {
	r.received++
	i := testbed.NumberOf(payload)
	if i < 0 || i >= len(r.times) {
		r.changed++
		return
	}
	var buffer [testbed.MaxUDP]byte
	want := buffer[:r.size(i)]
	if testbed.Fill(want, i); !slices.Equal(payload, want) {
		r.changed++
	}
	r.times[i]++
	if i < r.last {
		r.late = append(r.late, [2]int{i, r.last})
	}
	r.last = max(r.last, i)
}

// end stops receiving. The record has all packets that have arrived by then.
func (r *record) end() {
	_ = r.flow.In.SetReadDeadline(time.Now())
	r.done.Wait()
}

// surelyCome is the number of packets of which at least one arrives with every policy of
// these tests. At percent 80, 100 packets are all lost once in 10⁷⁰ times.
const surelyCome = 100

// reach waits until all packets before a number, except for a few, have arrived or were
// dropped.
func (r *record) reach(t testing.TB, number int) {
	for deadline := time.Now().Add(testbed.Longest); ; time.Sleep(20 * time.Microsecond) {
		r.mu.Lock()
		last := r.last
		r.mu.Unlock()
		if last >= number-surelyCome {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("packet %d was sent, %d is the last that came", number, last)
		}
	}
}

// await waits until count packets have arrived, and a moment more for others.
func (r *record) await(t testing.TB, count uint64) {
	t.Helper()
	for deadline := time.Now().Add(testbed.Longest); ; time.Sleep(time.Millisecond) {
		r.mu.Lock()
		have := uint64(r.received)
		r.mu.Unlock()
		if have >= count {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("%d packets were relayed, %d arrived", count, have)
			break
		}
	}
	time.Sleep(testbed.LaterQuiet / 2)
	r.end()
	if uint64(r.received) > count {
		t.Errorf("%d packets were relayed, %d arrived", count, r.received)
	}
}

// checkOrder fails if a packet was overtaken by a later one, arrived twice or was changed.
func (r *record) checkOrder(t testing.TB) {
	t.Helper()
	if len(r.late) != 0 {
		t.Errorf("%d of %d packets came after a later one; the first are %v", len(r.late), r.received, r.late[:min(len(r.late), 10)])
	}
	if twice := slices.IndexFunc(r.times, func(n uint8) bool { return n > 1 }); twice >= 0 {
		t.Errorf("packet %d came %d times", twice, r.times[twice])
	}
	if r.changed != 0 {
		t.Errorf("%d packets are not what was sent", r.changed)
	}
}

// checkSet fails unless every packet arrived that all of the programs relay, and no packet
// that all of them drop. It reports how many packets they leave open.
func (r *record) checkSet(t testing.TB, programs ...*policy.Program) (open int) {
	t.Helper()
	var missing, surplus []int
	for i, times := range r.times {
		relayed := 0
		for _, p := range programs {
			if !p.Decide(0, uint64(i)).Lost() {
				relayed++
			}
		}
		switch {
		case relayed == len(programs) && times == 0:
			missing = append(missing, i)
		case relayed == 0 && times != 0:
			surplus = append(surplus, i)
		case relayed != 0 && relayed != len(programs):
			open++
		}
	}
	if len(missing)+len(surplus) != 0 {
		t.Errorf("of %d packets %d did not come that the engine relays, %d came that it drops; the first are %v, %v",
			len(r.times), len(missing), len(surplus), missing[:min(len(missing), 10)], surplus[:min(len(surplus), 10)])
	}
	return open
}

// segmented makes the flow send super-frames.
func segmented(t testing.TB, f *testbed.Flow) {
	t.Helper()
	testbed.SetOption(t, f.Out, unix.SOL_UDP, unix.UDP_SEGMENT, testbed.Segment)
}
