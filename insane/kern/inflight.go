package kern

import (
	"time"

	"golang.org/x/sys/unix"
)

// A frame that the kernel relays from the slave to the interface is inflight until it
// arrives at the ingress of the interface: it waits in the backlog queue of the CPU that
// received it. A frame that the relay writes meanwhile would overtake it, so the relay
// calls Drain first.
//
// The host refuses a frame if the interface is down or that queue is full, and does not say
// so. Such a frame is missing: it was sent and does not arrive. It counts as refused when it
// is certain, or nearly so, that it will not come: when Drain has looked at the queues or has
// waited for long, or when nothing has moved between two calls of Settle. A frame that comes
// later all the same is taken from the refused ones.

// drainLimit is how long Drain waits for the next arrival before it counts the inflight
// frames as refused; their CPU may be busy. Most frames arrive at once, so Drain polls
// drainSpins times without a pause, and then every drainPoll.
const (
	drainLimit = 50 * time.Millisecond
	drainPoll  = 50 * time.Microsecond
	drainSpins = 50
)

// portion is a number of packets, their bytes, and how many of them have no verdict.
type portion struct{ packets, bytes, spared uint64 }

func (p portion) plus(o portion) portion {
	return portion{p.packets + o.packets, p.bytes + o.bytes, p.spared + o.spared}
}

// minus is 0 where o is more: a program of others may have changed a frame on its way.
func (p portion) minus(o portion) portion {
	o = o.atMost(p)
	return portion{p.packets - o.packets, p.bytes - o.bytes, p.spared - o.spared}
}

func (p portion) atMost(o portion) portion {
	return portion{min(p.packets, o.packets), min(p.bytes, o.bytes), min(p.spared, o.spared)}
}

func (p portion) atLeast(o portion) portion {
	return portion{max(p.packets, o.packets), max(p.bytes, o.bytes), max(p.spared, o.spared)}
}

// crossed is what was sent to the interface in one turn, and what of that has arrived.
type crossed struct{ sent, arrived portion }

// missing is what has not arrived: it is inflight or refused.
func (c crossed) missing() portion { return c.sent.minus(c.arrived) }

// crossed returns the counters of a turn, summed over all CPUs. It reads arrivals first, so
// that arrived is never above sent.
func (m *memory) crossed(turn int) (c crossed) {
	for cpu := range m.crossings {
		x := &m.crossings[cpu][turn]
		spared := x.arrivedSpared.Load()
		c.arrived = c.arrived.plus(portion{x.arrivedPackets.Load() + spared, x.arrivedBytes.Load() + x.arrivedSparedBytes.Load(), spared})
	}
	for cpu := range m.crossings {
		x := &m.crossings[cpu][turn]
		c.sent = c.sent.plus(portion{x.sentPackets.Load(), x.sentBytes.Load(), x.sentSpared.Load()})
	}
	return c
}

// Drain waits until the host has processed every frame that the kernel relayed from the
// slave to the interface before the call. After that, frames that the relay writes do
// not overtake them. It waits at most drainLimit for a missing frame, and not longer than
// until the queues of all CPUs were empty. Only one goroutine may call it.
func (d *Direction) Drain() {
	sent, last := d.crossed()
	began := time.Now()
	var look *landing
	for looks := 0; last < sent.packets(); looks++ {
		if looks < drainSpins {
			_, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		} else {
			if look == nil {
				look = d.objects.newLanding()
			}
			if look.done() || time.Since(began) > drainLimit {
				d.refuse(sent)
				break
			}
			time.Sleep(drainPoll)
		}
		if _, arrived := d.crossed(); arrived != last {
			began, last = time.Now(), arrived
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
	var busy []int
	for cpu := range m.inflights {
		f := &m.inflights[cpu]
		arrived := f.arrived.Load()
		if arrived != d.finished[cpu] && arrived != f.finished.Load() {
			busy = append(busy, cpu)
		}
		d.finished[cpu] = arrived
	}
	d.objects.barrier.wait(busy)
}

// sendings are the portions that were sent in each turn.
type sendings [turns]portion

func (s sendings) packets() (sum uint64) {
	for _, p := range s {
		sum += p.packets
	}
	return sum
}

// crossed returns what was sent to the interface, and how many packets of that have arrived
// or count as refused.
func (d *Direction) crossed() (sent sendings, done uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for turn := range d.refused {
		c := d.objects.memory.crossed(turn)
		d.refused[turn] = d.refused[turn].atMost(c.missing())
		sent[turn] = c.sent
		done += c.arrived.packets + d.refused[turn].packets
	}
	return sent, done
}

// refuse counts what is missing of some sendings as refused.
func (d *Direction) refuse(sent sendings) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for turn := range d.refused {
		c := d.objects.memory.crossed(turn)
		missing := sent[turn].minus(c.arrived)
		d.refused[turn] = d.refused[turn].atLeast(missing).atMost(c.missing())
	}
}

// Settle must be called from time to time. It counts missing packets of a turn as refused if
// none was sent and none has arrived in it since the last call. If packets of the present
// turn are missing, it begins the other turn, so that this one comes to rest.
func (d *Direction) Settle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	var rests, misses [turns]bool
	for turn := range d.refused {
		c := d.objects.memory.crossed(turn)
		d.refused[turn] = d.refused[turn].atMost(c.missing())
		if rests[turn] = c == d.seen[turn]; rests[turn] {
			d.refused[turn] = c.missing()
		}
		misses[turn] = c.missing() != d.refused[turn]
		d.seen[turn] = c
	}
	if misses[d.turn] && rests[1-d.turn] {
		d.turn = 1 - d.turn
		for cpu := range d.objects.memory.inflights {
			d.objects.memory.inflights[cpu].turn.Store(uint64(d.turn))
		}
	}
}

// delivered returns the counters of what was sent to the interface: what has arrived there,
// and what the host has refused. The caller holds d.mu.
func (d *Direction) delivered() (sum Counts) {
	m := d.objects.memory
	for turn := range d.refused {
		for cpu := range m.crossings {
			x := &m.crossings[cpu][turn]
			sum.add(Counts{
				RelayedPackets: x.arrivedPackets.Load(), RelayedBytes: x.arrivedBytes.Load(),
				NeighbourPackets: x.arrivedSpared.Load(), NeighbourBytes: x.arrivedSparedBytes.Load(),
			})
		}
		d.refused[turn] = d.refused[turn].atMost(m.crossed(turn).missing())
		refused := d.refused[turn]
		sum.add(Counts{RefusedPackets: refused.packets, RefusedBytes: refused.bytes, UnjudgedPackets: refused.spared})
	}
	return sum
}
