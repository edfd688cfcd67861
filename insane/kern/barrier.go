package kern

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// cpuBarrier waits until one CPU has finished the softirq that it runs. It has a thread
// of its own, which it moves to that CPU. The kernel handles a received frame with
// softirqs disabled, so when the thread runs on the CPU, no frame that had begun there
// is unfinished. (This does not hold with real-time preemption.)
type cpuBarrier struct {
	synchronize func() error // used for a CPU where the thread may not run
	begin       sync.Once
	asked       chan int
	done        chan struct{}
	ended       chan struct{}
	end         sync.Once
}

func newCPUBarrier(synchronize func() error) *cpuBarrier {
	return &cpuBarrier{
		synchronize: synchronize,
		asked:       make(chan int), done: make(chan struct{}), ended: make(chan struct{}),
	}
}

// wait returns when the thread has run on the CPU, or when the barrier is closed. Only
// one goroutine may call it. The first call starts the thread.
func (b *cpuBarrier) wait(cpu int) {
	b.begin.Do(func() { go b.run() })
	select {
	case b.asked <- cpu:
	case <-b.ended:
		return
	}
	<-b.done
}

// close ends the thread. A second call does nothing.
func (b *cpuBarrier) close() { b.end.Do(func() { close(b.ended) }) }

// run is the loop of the thread. The thread ends with it, as it stays locked.
func (b *cpuBarrier) run() {
	runtime.LockOSThread()
	for {
		select {
		case cpu := <-b.asked:
			var there unix.CPUSet
			there.Set(cpu)
			if unix.SchedSetaffinity(0, &there) != nil {
				_ = b.synchronize() // takes longer, and waits for all CPUs
			}
			b.done <- struct{}{}
		case <-b.ended:
			return
		}
	}
}
