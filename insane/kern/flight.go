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
func (l *Lane) Land() {
	m := l.objects.memory
	started, last := m.inFlight()
	l.found(started, last)
	looks := 0
	for began := time.Now(); last+l.missing.Load() < started; looks++ {
		_, landed := m.inFlight()
		if landed != last {
			began, last = time.Now(), landed
		} else if time.Since(began) > flightLimit {
			l.missing.Store(started - landed)
			break
		}
		if looks < flightLooks {
			_, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		} else {
			time.Sleep(flightLook)
		}
	}
	l.finish()
}

// finish waits for the processors that may still be at work on a frame that has
// landed.
func (l *Lane) finish() {
	m := l.objects.memory
	if l.finished == nil {
		l.finished = make([]uint64, len(m.flights))
	}
	for cpu := range m.flights {
		f := &m.flights[cpu]
		landed := f.landed.Load()
		if landed != l.finished[cpu] && landed != f.finished.Load() {
			l.objects.barrier.wait(cpu)
		}
		l.finished[cpu] = landed
	}
}

// Missing is how many frames got lost between the slave and the interface, as far
// as that is certain.
func (l *Lane) Missing() uint64 { return l.missing.Load() }

// Settle is to be called now and then: frames between the slave and the interface that
// have not moved since the last time are lost.
func (l *Lane) Settle() {
	started, landed := l.objects.memory.inFlight()
	l.found(started, landed)
	if started == l.started && landed == l.landed && started > landed+l.missing.Load() {
		l.missing.Store(started - landed)
	}
	l.started, l.landed = started, landed
}

// found takes back what was said of frames that came after all.
func (l *Lane) found(started, landed uint64) {
	if landed+l.missing.Load() > started {
		l.missing.Store(started - landed)
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
