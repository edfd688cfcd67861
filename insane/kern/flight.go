package kern

import "time"

// On its way from the slave to the interface a frame waits in a queue of the
// processor that received it. The relay would overtake it.

// How long a frame can be on its way from the slave to the interface inside the
// kernel before it must be lost: the processor that has it may be busy. And how
// long to wait between looks.
const (
	flightLimit = 50 * time.Millisecond
	flightLook  = 20 * time.Microsecond
)

// Land waits until what the kernel has sent from the slave to the interface is
// there, so that what the relay writes does not overtake it.
func (l *Lane) Land() {
	m := l.programs.memory
	started, last := m.inFlight()
	for began := time.Now(); last+l.missing.Load() < started; {
		_, landed := m.inFlight()
		if landed != last {
			began, last = time.Now(), landed
		} else if time.Since(began) > flightLimit {
			l.missing.Store(started - landed)
			return
		}
		time.Sleep(flightLook)
	}
}

// Missing is how many frames got lost between the slave and the interface, as far
// as that is certain.
func (l *Lane) Missing() uint64 { return l.missing.Load() }

// settleFlights is to be called now and then: frames that have not moved since the
// last time are lost.
func (l *Lane) settleFlights() {
	started, landed := l.programs.memory.inFlight()
	if started == l.started && landed == l.landed && started > landed+l.missing.Load() {
		l.missing.Store(started - landed)
	}
	l.started, l.landed = started, landed
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
