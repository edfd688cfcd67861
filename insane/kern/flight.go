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
	flightLimit = 50 * time.Millisecond
	flightLook  = 50 * time.Microsecond
	flightLooks = 50
)

// Land waits until the host is done with what the kernel has sent from the slave to
// the interface, so that what the relay writes does not overtake it. One goroutine
// may call it.
func (d *Direction) Land() {
	m := d.objects.memory
	started, last := m.inFlight()
	d.found(started, last)
	looks := 0
	for began := time.Now(); last+d.missing.Load() < started; looks++ {
		_, landed := m.inFlight()
		if landed != last {
			began, last = time.Now(), landed
		} else if time.Since(began) > flightLimit {
			d.missing.Store(started - landed)
			break
		}
		if looks < flightLooks {
			_, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		} else {
			time.Sleep(flightLook)
		}
	}
	d.finish()
}

// finish waits for the processors that may still be at work on a frame that has
// landed.
func (d *Direction) finish() {
	m := d.objects.memory
	if d.finished == nil {
		d.finished = make([]uint64, len(m.flights))
	}
	for cpu := range m.flights {
		f := &m.flights[cpu]
		landed := f.landed.Load()
		if landed != d.finished[cpu] && landed != f.finished.Load() {
			d.objects.barrier.wait(cpu)
		}
		d.finished[cpu] = landed
	}
}

// Missing is how many frames got lost between the slave and the interface, as far
// as that is certain.
func (d *Direction) Missing() uint64 { return d.missing.Load() }

// Settle is to be called now and then: frames between the slave and the interface that
// have not moved since the last time are lost.
func (d *Direction) Settle() {
	started, landed := d.objects.memory.inFlight()
	d.found(started, landed)
	if started == d.started && landed == d.landed && started > landed+d.missing.Load() {
		d.missing.Store(started - landed)
	}
	d.started, d.landed = started, landed
}

// found takes back what was said of frames that came after all.
func (d *Direction) found(started, landed uint64) {
	if landed+d.missing.Load() > started {
		d.missing.Store(started - landed)
	}
}

// inFlight adds up over the processors how many frames were sent to the interface,
// and how many of them have come.
func (m *memory) inFlight() (started, landed uint64) {
	for cpu := range m.flights {
		landed += m.flights[cpu].landed.Load()
	}
	for cpu := range m.flights {
		started += m.flights[cpu].started.Load()
	}
	return started, landed
}
