package kern

import (
	"errors"
	"sync"
)

// Backlog is where frames wait for the relay, and how far it has got with them: the
// queue of the interface, or the socket of one slave. As long as the relay has
// frames that it has not passed on, no later one may go past it.
type Backlog struct {
	shared *sharedBacklog

	mu       sync.Mutex
	released bool
	lost     uint64 // frames, as far as they are counted as done

	// What Settle saw last.
	entered, done uint64
}

// Queue is the backlog of the interface's queue. The interface must have the filter
// Enter.
func (d *Direction) Queue() *Backlog { return &Backlog{shared: &d.shared().backlogs[0]} }

// spare is how many processors may each be about to put a frame into the queue when
// it is found full.
const spare = 16

// SetLimit says how many frames the queue holds. One too many is refused by Enter, as
// the queue would drop it without a word.
func (b *Backlog) SetLimit(frames int) {
	b.shared.limit.Store(uint64(max(1, frames-spare)))
}

// Register makes a backlog for the socket of a slave, which is to be opened afterwards,
// with the filter None, Auto or All. There are as many as two slaves need, one of
// which is going to be the other's successor.
func (d *Direction) Register(index int) (*Backlog, error) {
	for i := range d.shared().backlogs {
		shared := &d.shared().backlogs[i]
		if shared.index.Load() != 0 {
			continue
		}
		// A filter that has found the backlog before may count its frame still.
		if d.registered[i] {
			if err := d.objects.synchronize(); err != nil {
				return nil, err
			}
		}
		d.registered[i] = true
		shared.entered.Store(0)
		shared.done.Store(0)
		shared.index.Store(uint64(index))
		return &Backlog{shared: shared}, nil
	}
	return nil, errors.New("find a backlog: all are in use")
}

// Release gives the backlog of a slave up. Its socket is closed or about to be.
func (b *Backlog) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.released = true
	b.shared.index.Store(0)
}

// Done says that the relay has dealt with so many frames for good. After Release it
// does nothing.
func (b *Backlog) Done(frames int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(uint64(frames))
}

func (b *Backlog) add(frames uint64) {
	if !b.released {
		b.shared.done.Add(frames)
	}
}

// Lost says how many frames have been lost in the backlog since it was made.
func (b *Backlog) Lost(total uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(total - b.lost)
	b.lost = total
}

// Refused is how many frames there was no room for.
func (b *Backlog) Refused() uint64 { return b.shared.refused.Load() }

// Settle is to be called now and then, each time with whether the relay has been
// idle since the last. Frames that got lost without anybody counting them would keep
// the direction closed for ever: if none came and none went for so long, there are none.
func (b *Backlog) Settle(idle bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	entered, done := b.shared.entered.Load(), b.shared.done.Load()
	if idle && !b.released && entered != done && entered == b.entered && done == b.done {
		b.shared.done.CompareAndSwap(done, entered)
	}
	b.entered, b.done = entered, done
}
