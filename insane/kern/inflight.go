package kern

import (
	"time"

	"golang.org/x/sys/unix"
)

// On its way from the slave to the interface a frame waits in a queue of the
// processor that received it. The relay would overtake it.

// How long a frame can be on its way from the slave to the interface inside the
// kernel before it must be lost: the processor that has it may be busy. And how
// long to wait between looks, after as many without waiting: most land at once.
const (
	drainLimit = 50 * time.Millisecond
	drainPoll  = 50 * time.Microsecond
	drainSpins = 50
)

// Drain waits until the host is done with what the kernel has sent from the slave to
// the interface, so that what the relay writes does not overtake it. One goroutine
// may call it.
func (d *Direction) Drain() {
	m := d.objects.memory
	started, last := m.inflight()
	d.correct(started, last)
	looks := 0
	for began := time.Now(); last+d.lost.Load() < started; looks++ {
		_, arrived := m.inflight()
		if arrived != last {
			began, last = time.Now(), arrived
		} else if time.Since(began) > drainLimit {
			d.lost.Store(started - arrived)
			break
		}
		if looks < drainSpins {
			_, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		} else {
			time.Sleep(drainPoll)
		}
	}
	d.finish()
}

// finish waits for the processors that may still be at work on a frame that has
// arrived.
func (d *Direction) finish() {
	m := d.objects.memory
	if d.finished == nil {
		d.finished = make([]uint64, len(m.inflights))
	}
	for cpu := range m.inflights {
		f := &m.inflights[cpu]
		arrived := f.arrived.Load()
		if arrived != d.finished[cpu] && arrived != f.finished.Load() {
			d.objects.barrier.wait(cpu)
		}
		d.finished[cpu] = arrived
	}
}

// Lost is how many frames got lost between the slave and the interface, as far
// as that is certain.
func (d *Direction) Lost() uint64 { return d.lost.Load() }

// Settle is to be called now and then: frames between the slave and the interface that
// have not moved since the last time are lost.
func (d *Direction) Settle() {
	started, arrived := d.objects.memory.inflight()
	d.correct(started, arrived)
	if started == d.started && arrived == d.arrived && started > arrived+d.lost.Load() {
		d.lost.Store(started - arrived)
	}
	d.started, d.arrived = started, arrived
}

// correct takes back what was said of frames that came after all.
func (d *Direction) correct(started, arrived uint64) {
	if arrived+d.lost.Load() > started {
		d.lost.Store(started - arrived)
	}
}

// inflight adds up over the processors how many frames were sent to the interface,
// and how many of them have come.
func (m *memory) inflight() (started, arrived uint64) {
	for cpu := range m.inflights {
		arrived += m.inflights[cpu].arrived.Load()
	}
	for cpu := range m.inflights {
		started += m.inflights[cpu].started.Load()
	}
	return started, arrived
}
