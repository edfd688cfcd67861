package kern

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// cpuBarrier is a thread that goes to a processor and comes back. The kernel deals with
// received frames with softirqs off, so when a thread gets its turn there, those that
// had begun are done with. (Not so with real-time preemption.)
type cpuBarrier struct {
	synchronize func() error // for a processor where the thread may not run
	begin       sync.Once
	asked       chan int
	done        chan struct{}
	ended       chan struct{}
	end         sync.Once
}

func newCPUBarrier(synchronize func() error) *cpuBarrier {
	return &cpuBarrier{synchronize: synchronize, asked: make(chan int), done: make(chan struct{}), ended: make(chan struct{})}
}

// wait returns when the thread was on the processor, or when the barrier is closed. One
// goroutine may call it.
func (b *cpuBarrier) wait(cpu int) {
	b.begin.Do(func() { go b.run() })
	select {
	case b.asked <- cpu:
	case <-b.ended:
		return
	}
	<-b.done
}

// close ends the thread. A second time it does nothing.
func (b *cpuBarrier) close() { b.end.Do(func() { close(b.ended) }) }

// run is the thread, which ends with it.
func (b *cpuBarrier) run() {
	runtime.LockOSThread()
	for {
		select {
		case cpu := <-b.asked:
			var there unix.CPUSet
			there.Set(cpu)
			if unix.SchedSetaffinity(0, &there) != nil {
				_ = b.synchronize() // longer, but as sure
			}
			b.done <- struct{}{}
		case <-b.ended:
			return
		}
	}
}
