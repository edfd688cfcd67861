package kern

import "testing"

// lost fails unless the direction counts so many packets as refused, of 100 bytes each.
func lost(t *testing.T, what string, d *Direction, want uint64) {
	t.Helper()
	if got := d.Counts(); got.RefusedPackets != want || got.RefusedBytes != 100*want {
		t.Errorf("%s: %d packets and %d bytes refused, want %d and %d", what, got.RefusedPackets, got.RefusedBytes, want, 100*want)
	}
}

// send and arrive count packets as the programs do.
func (x *sharedCrossing) send(packets uint64) {
	x.sentPackets.Add(packets)
	x.sentBytes.Add(100 * packets)
}

func (x *sharedCrossing) arrive(packets uint64) {
	x.arrivedPackets.Add(packets)
	x.arrivedBytes.Add(100 * packets)
}

// Drain returns when all inflight frames have arrived, on any CPU, or when the missing
// ones count as refused. A late arrival corrects that count.
func TestDrain(t *testing.T) {
	needRoot(t)
	p := openObjects(t, nil)
	direction, first := p.RX(), &p.memory.crossings[0][0]
	last := &p.memory.crossings[len(p.memory.crossings)-1][0]
	direction.Drain()
	first.send(5)
	last.arrive(5)
	direction.Drain()
	lost(t, "all there", direction, 0)

	first.send(3)
	done := make(chan struct{})
	go func() {
		defer close(done)
		direction.Drain()
	}()
	last.arrive(1)
	<-done
	lost(t, "one of three there", direction, 2)
	direction.Drain() // does not wait again
	lost(t, "the same two", direction, 2)
	last.arrive(1)
	direction.Drain()
	lost(t, "one came late", direction, 1)

	direction.Settle()
	first.send(1)
	direction.Settle()
	lost(t, "another is on its way", direction, 1)
	if !direction.Waiting() {
		t.Error("nothing waits, with a packet on its way")
	}
	direction.Settle()
	lost(t, "it does not move", direction, 2)
	if direction.Waiting() {
		t.Error("a packet that counts as refused is waited for")
	}
	last.arrive(2)
	direction.Settle()
	lost(t, "all there at last", direction, 0)
}

// Settle finds out what was refused also while packets come all the time: it begins another
// turn, and the one before comes to rest.
func TestSettleInTraffic(t *testing.T) {
	needRoot(t)
	p := openObjects(t, nil)
	direction := p.RX()
	const inflight, packets = 3, 100
	before := &p.memory.crossings[0][0]
	before.send(inflight)
	refused, found := uint64(0), uint64(0)
	for i := range 40 {
		now := &p.memory.crossings[0][p.memory.inflights[0].turn.Load()]
		now.send(packets)
		if i < 20 {
			now.send(2)
			refused += 2
		}
		before.arrive(inflight) // in the turn in which they were sent
		now.arrive(packets - inflight)
		before = now
		direction.Settle()
		got := direction.Counts().RefusedPackets
		if got > refused || got < found {
			t.Fatalf("after %d: %d packets refused of %d, %d before", i, got, refused, found)
		}
		found = got
		if i == 19 && found < refused/2 {
			t.Errorf("%d of %d refused packets are known in the traffic", found, refused)
		}
	}
	lost(t, "in the traffic", direction, refused)
}

// The kernel tells the length of the queue of each CPU in use. When they were all empty, and
// each CPU has finished its softirq, nothing is inflight.
func TestLanding(t *testing.T) {
	needRoot(t)
	p := openObjects(t, nil)
	waiting := queues()
	for _, cpu := range processors() {
		if _, ok := waiting[cpu]; !ok {
			t.Errorf("nothing is known of the queue of processor %d: %v", cpu, waiting)
		}
	}
	for cpu := range p.memory.crossings {
		p.memory.crossings[cpu][cpu%turns].send(1)
	}
	look := p.newLanding()
	if len(look.left) != len(p.memory.crossings) {
		t.Errorf("looks at the queues %v, want those of %d processors", look.left, len(p.memory.crossings))
	}
	await(t, "empty queues", look.done)
}

// Without the lengths of the queues, Drain waits until its limit.
func TestLandingWithoutQueues(t *testing.T) {
	if (&landing{blind: true}).done() {
		t.Error("done, and nothing is known of the queues")
	}
}
