package kern

import (
	"errors"
	"sync"
)

// Backlog counts the frames that wait for the relay in one place: the queue of the
// interface, or the packet socket of one slave. The kernel counts the frames that enter. The
// relay counts those that have left: it has read them, and holds them or has done with them.
// It also counts those that it has done with. While one is not done that the kernel might have
// carried, the fast path leaves every frame to the relay, so that none overtakes a waiting one.
// Frames that have left make room for others.
//
// All methods are safe for concurrent use.
type Backlog struct {
	shared *sharedBacklog
	of     *Direction

	mu       *sync.Mutex // of; guards what follows
	released bool
	lost     uint64 // the lost frames that are counted as done
	held     uint64 // frames that have left and are not done
	done     uint64 // frames that are done or lost, in any order
	inexact  uint64 // the part of done that need not be the frames which entered first

	// The two counts at the last call of Settle.
	entered, left uint64
}

// backlogOf returns a backlog with the counts that are in shared memory.
func (d *Direction) backlogOf(shared *sharedBacklog) *Backlog {
	return &Backlog{shared: shared, of: d, mu: &d.counting, done: shared.done.Load()}
}

// Require makes the fast path wait until the relay has settled to what the caller has numbered
// edition, however few frames wait. Call it before the direction is opened with something by which
// the kernel carries frames that the relay may hold.
func (d *Direction) Require(edition uint64) {
	d.counting.Lock()
	defer d.counting.Unlock()
	d.required = edition
	for i := range d.shared().backlogs {
		d.shared().backlogs[i].done.Store(never)
	}
}

// Settled says that the relay goes by this edition, and holds no frame that the kernel might carry
// by it. The next Done tells the fast path.
func (d *Direction) Settled(edition uint64) {
	d.counting.Lock()
	defer d.counting.Unlock()
	d.settled = edition
}

// Queue returns the backlog of the interface's TAP queue. The interface must have the
// filter Enter, which counts the frames. Call it for tx only.
func (d *Direction) Queue() *Backlog { return d.backlogOf(&d.shared().backlogs[0]) }

// spare is how many CPUs may each be about to put a frame into the queue at the moment
// when it becomes full.
const spare = 16

// SetLimit sets how many frames the queue holds. Enter and the fast path refuse frames
// beyond that, less a margin: the queue itself would drop them, and not say which.
func (b *Backlog) SetLimit(frames int) {
	b.shared.limit.Store(uint64(max(1, frames-spare)))
}

// Register returns an empty backlog for the packet socket of a slave, given the index of
// its link. Open the socket afterwards, with the filter None, Auto or All. Call it for
// rx only. There are two backlogs: one for the slave, and one for the slave that
// replaces it. Register fails if both are in use, and may wait for a grace period.
func (d *Direction) Register(index int) (*Backlog, error) {
	for i := range d.shared().backlogs {
		shared := &d.shared().backlogs[i]
		if shared.index.Load() != 0 {
			continue
		}
		// A filter that has looked the backlog up before Release may still count a frame.
		if d.registered[i] {
			if err := d.objects.synchronize(); err != nil {
				return nil, err
			}
		}
		d.registered[i] = true
		shared.entered.Store(0)
		shared.last.Store(0)
		shared.done.Store(0)
		shared.left.Store(0)
		shared.index.Store(uint64(index))
		return d.backlogOf(shared), nil
	}
	return nil, errors.New("find a backlog: all are in use")
}

// Release makes the backlog of a slave free for the next Register. The socket must be
// closed before that Register.
func (b *Backlog) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.released = true
	b.shared.index.Store(0)
}

// Take counts frames that the relay has read, and of which it holds at least a part.
func (b *Backlog) Take(frames int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.take(uint64(frames))
}

// Hold makes the fast path wait for what the relay holds from another backlog, until Done. Call
// it before frames enter.
func (b *Backlog) Hold() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.released {
		b.shared.done.Store(never)
		b.done--
		b.held++
	}
}

// Done counts frames that the relay has read, and all those that it has held, as relayed or
// dropped. After Release it does nothing.
func (b *Backlog) Done(frames int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.take(uint64(frames))
	if !b.released {
		b.done += b.held
		b.held = 0
		b.publish()
	}
}

// never is the count of a backlog in which not even the first frame is done.
const never = ^uint64(0)

// publish tells the fast path how many of the frames that entered first are done. A frame that was
// lost may have been any of those that wait. When as many are done as have entered, these are all
// of them. If there are more, some came past the filter, and nobody knows which. The caller holds
// b.mu.
func (b *Backlog) publish() {
	switch entered := b.shared.entered.Load(); {
	case b.of.settled < b.of.required:
	case b.done == entered:
		b.inexact = 0
		b.shared.done.Store(entered)
	case int64(b.done-entered) > 0:
		b.shared.done.Store(never)
	default:
		b.shared.done.Store(b.done - b.inexact)
	}
}

// take counts frames that have left, and are held. The caller holds b.mu.
func (b *Backlog) take(frames uint64) {
	if !b.released {
		b.shared.left.Add(frames)
		b.held += frames
	}
}

// lose counts frames that have left without the relay. The caller holds b.mu.
func (b *Backlog) lose(frames uint64) {
	if !b.released {
		b.shared.left.Add(frames)
		b.done += frames
		b.inexact += frames
		b.publish()
	}
}

// Lost sets how many frames the socket or queue has lost since Register. Lost frames
// count as done.
func (b *Backlog) Lost(total uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lose(total - b.lost)
	b.lost = total
}

// Refused returns how many frames the fast path refused because the queue was full.
func (b *Backlog) Refused() uint64 { return b.shared.refused.Load() }

// Settle must be called from time to time. idle says whether the relay is idle. If it is
// and neither frames have entered nor left since the last call, the frames that have entered
// and not left were lost and nobody counted them; Settle counts them as done. Otherwise they
// would keep the fast path closed for ever.
func (b *Backlog) Settle(idle bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	entered, left := b.shared.entered.Load(), b.shared.left.Load()
	if idle && entered != left && entered == b.entered && left == b.left {
		b.lose(entered - left)
	}
	b.entered, b.left = entered, left
}
