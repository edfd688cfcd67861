package kern

import "github.com/seed-39a139a1/insane/policy"

// Counts counts the packets that the fast path relayed or dropped, as they are on the
// wire, and their Ethernet bytes. No packet is in two of the four kinds.
type Counts struct {
	RelayedPackets, RelayedBytes     uint64
	DroppedPackets, DroppedBytes     uint64 // by the policy: the sum of Stages
	RefusedPackets, RefusedBytes     uint64 // by the host: the interface is down, or the queue of the CPU is full
	NeighbourPackets, NeighbourBytes uint64 // messages of neighbours, relayed without number and verdict

	// UnjudgedPackets is the part of RelayedPackets and RefusedPackets without a verdict:
	// after the watchdog ran out, or messages of neighbours that the host refused.
	UnjudgedPackets uint64

	Stages [policy.StageNumbers]Amount // dropped by the policy, by the stage of that number
}

// Amount is a number of packets, and their bytes.
type Amount struct{ Packets, Bytes uint64 }

// drop adds what the stage of a number dropped.
func (c *Counts) drop(by policy.Stage, a Amount) {
	c.DroppedPackets += a.Packets
	c.DroppedBytes += a.Bytes
	c.Stages[by].Packets += a.Packets
	c.Stages[by].Bytes += a.Bytes
}

func (c *Counts) add(o Counts) {
	c.RelayedPackets += o.RelayedPackets
	c.RelayedBytes += o.RelayedBytes
	c.UnjudgedPackets += o.UnjudgedPackets
	c.RefusedPackets += o.RefusedPackets
	c.RefusedBytes += o.RefusedBytes
	c.NeighbourPackets += o.NeighbourPackets
	c.NeighbourBytes += o.NeighbourBytes
	for by, a := range o.Stages {
		if a != (Amount{}) { // few stages drop
			c.drop(policy.Stage(by), a)
		}
	}
}

// collect adds the counters of the ring to collected and frees its slots. It keeps
// the counters of owner in kept as well. The caller holds d.mu.
func (d *Direction) collect(owner any) {
	if d.kept.owner != owner {
		d.kept = entrySlot{owner: owner}
	}
	for slot := range d.slots[:ring] {
		var counts Counts
		d.read(slot, &counts)
		d.collected.add(counts)
		if d.slots[slot].owner == owner {
			d.kept.counts.add(counts)
		}
		d.clear(slot)
	}
}

// clear frees a slot, and sets its counters to 0. The caller holds d.mu.
func (d *Direction) clear(slot int) {
	d.slots[slot] = entrySlot{}
	for cpu := range d.objects.memory.counts {
		d.objects.memory.counts[cpu][d.index][slot] = sharedCount{}
		d.objects.memory.drops[cpu][d.index][slot] = sharedDrops{}
	}
}

// read adds the counters of the entry in a slot, of all CPUs, to a sum.
func (d *Direction) read(slot int, sum *Counts) {
	for cpu := range d.objects.memory.counts {
		c := &d.objects.memory.counts[cpu][d.index][slot]
		sum.RelayedPackets += c.relayedPackets.Load()
		sum.RelayedBytes += c.relayedBytes.Load()
		sum.UnjudgedPackets += c.unjudgedPackets.Load()
		sum.RefusedPackets += c.refusedPackets.Load()
		sum.RefusedBytes += c.refusedBytes.Load()
		sum.NeighbourPackets += c.neighbourPackets.Load()
		sum.NeighbourBytes += c.neighbourBytes.Load()
		drops := &d.objects.memory.drops[cpu][d.index][slot]
		for by := range drops {
			if packets := drops[by].packets.Load(); packets != 0 {
				sum.drop(policy.Stage(by), Amount{packets, drops[by].bytes.Load()})
			}
		}
	}
}

// Counts returns the counters since the programs were loaded.
func (d *Direction) Counts() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	sum := d.collected
	sum.add(d.ruled)
	for slot := range d.slots {
		if d.slots[slot].owner != nil {
			d.read(slot, &sum)
		}
	}
	return sum
}

// CountsOf returns the counters of one owner. It is complete for the owner of the last
// Open only: counters of earlier owners may be collected already.
func (d *Direction) CountsOf(owner any) (sum Counts) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kept.owner == owner {
		sum = d.kept.counts
	}
	for slot := range d.slots[:ring] {
		if d.slots[slot].owner == owner {
			d.read(slot, &sum)
		}
	}
	return sum
}
