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
		c.drop(policy.Stage(by), a)
	}
}

// collect adds the counters of the ring to collected and frees its slots. It keeps
// the counters of owner in kept as well. The caller holds d.mu.
func (d *Direction) collect(owner any) {
	if d.kept.owner != owner {
		d.kept = entrySlot{owner: owner}
	}
	for slot := range d.slots[:ring] {
		counts := d.read(slot)
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

// read returns the counters of the entry in a slot, summed over all CPUs.
func (d *Direction) read(slot int) (sum Counts) {
	for cpu := range d.objects.memory.counts {
		c := &d.objects.memory.counts[cpu][d.index][slot]
		sum.add(Counts{
			RelayedPackets: c.relayedPackets.Load(), RelayedBytes: c.relayedBytes.Load(),
			UnjudgedPackets: c.unjudgedPackets.Load(),
			RefusedPackets:  c.refusedPackets.Load(), RefusedBytes: c.refusedBytes.Load(),
			NeighbourPackets: c.neighbourPackets.Load(), NeighbourBytes: c.neighbourBytes.Load(),
		})
		drops := &d.objects.memory.drops[cpu][d.index][slot]
		for by := range drops {
			sum.drop(policy.Stage(by), Amount{drops[by].packets.Load(), drops[by].bytes.Load()})
		}
	}
	return sum
}

// Counts returns the counters since the programs were loaded.
func (d *Direction) Counts() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	sum := d.collected
	sum.add(d.ruled)
	for slot := range d.slots {
		if d.slots[slot].owner != nil {
			sum.add(d.read(slot))
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
			sum.add(d.read(slot))
		}
	}
	return sum
}
