package kern

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// visit is a thread that goes to a processor and comes back. The kernel deals with
// received frames with softirqs off, so when a thread gets its turn there, those that
// had begun are done with. (Not so with real-time preemption.)
type visit struct {
	wait  func() error // for who cannot be visited
	begin sync.Once
	asked chan int
	done  chan struct{}
	ended chan struct{}
	end   sync.Once
}

func newVisit(wait func() error) *visit {
	return &visit{wait: wait, asked: make(chan int), done: make(chan struct{}), ended: make(chan struct{})}
}

// to returns when the thread was on the processor, or when the visits have ended. One
// goroutine may call it.
func (v *visit) to(cpu int) {
	v.begin.Do(func() { go v.run() })
	select {
	case v.asked <- cpu:
	case <-v.ended:
		return
	}
	<-v.done
}

// close ends the visits. A second time it does nothing.
func (v *visit) close() { v.end.Do(func() { close(v.ended) }) }

// run is the thread, which ends with it.
func (v *visit) run() {
	runtime.LockOSThread()
	for {
		select {
		case cpu := <-v.asked:
			var there unix.CPUSet
			there.Set(cpu)
			if unix.SchedSetaffinity(0, &there) != nil {
				_ = v.wait() // longer, but as sure
			}
			v.done <- struct{}{}
		case <-v.ended:
			return
		}
	}
}
