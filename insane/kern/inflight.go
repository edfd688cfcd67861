package kern

import (
	"time"

	"golang.org/x/sys/unix"
)

// A frame that the kernel relays from the slave to the interface is inflight until it
// arrives at the ingress of the interface: it waits in the backlog queue of the CPU that
// received it. A frame that the relay writes meanwhile would overtake it, so the relay
// calls Drain first.

// drainLimit is how long Drain waits for the next arrival before it counts the inflight
// frames as lost; their CPU may be busy. Most frames arrive at once, so Drain polls
// drainSpins times without a pause, and then every drainPoll.
const (
	drainLimit = 50 * time.Millisecond
	drainPoll  = 50 * time.Microsecond
	drainSpins = 50
)

// Drain waits until the host has processed every frame that the kernel relayed from the
// slave to the interface before the call. After that, frames that the relay writes do
// not overtake them. It waits at most drainLimit for a lost frame. Only one goroutine
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

// finish waits for the CPUs that may still process a frame that has arrived.
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

// Lost returns how many inflight frames are known to be lost.
func (d *Direction) Lost() uint64 { return d.lost.Load() }

// Settle must be called from time to time. It counts
// inflight frames as lost if none has started and none has arrived since the last call.
func (d *Direction) Settle() {
	started, arrived := d.objects.memory.inflight()
	d.correct(started, arrived)
	if started == d.started && arrived == d.arrived && started > arrived+d.lost.Load() {
		d.lost.Store(started - arrived)
	}
	d.started, d.arrived = started, arrived
}

// correct lowers the count of lost frames when some of them have arrived.
func (d *Direction) correct(started, arrived uint64) {
	if arrived+d.lost.Load() > started {
		d.lost.Store(started - arrived)
	}
}

// inflight returns how many frames were sent to the interface, and how many of them
// have arrived, summed over all CPUs. It reads arrivals first, so that arrived is never
// above started.
func (m *memory) inflight() (started, arrived uint64) {
	for cpu := range m.inflights {
		arrived += m.inflights[cpu].arrived.Load()
	}
	for cpu := range m.inflights {
		started += m.inflights[cpu].started.Load()
	}
	return started, arrived
}
