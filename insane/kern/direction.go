package kern

import (
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/seed-39a139a1/insane/policy"
)

// Direction is one direction of a device, as the kernel and the relay share it. It is
// safe for concurrent use; what changes it is to be called by one at a time.
//
// A direction that is closed leaves every frame to the relay.
type Direction struct {
	objects    *Objects
	index      int
	numbering  uint64         // index of the present one
	registered [backlogs]bool // whether a backlog was ever in use

	mu        sync.Mutex // guards the counters
	slots     [entries]entrySlot
	present   int // index of the rule that was opened last
	collected Counts
	kept      entrySlot // the part of collected that is a present rule's

	// Of frames between the slave and the interface.
	lost             atomic.Uint64
	started, arrived uint64   // as Settle saw them last
	finished         []uint64 // of each processor, as Drain saw to it last
}

// entrySlot is who a slot in the table of entries belongs to.
type entrySlot struct {
	owner  any // as Open was told; nil: the slot is free
	to     int
	counts Counts // of kept only; those of other slots are in the shared memory
}

// Counts is what the kernel did, in packets.
type Counts struct {
	RelayedPackets, RelayedBytes uint64
	DroppedPackets, DroppedBytes uint64 // by the policy: the sum of Stages
	UnjudgedPackets              uint64 // of those relayed: as the daemon was taken for dead
	RefusedPackets, RefusedBytes uint64 // by the host, which was to have them

	Stages [policy.StageNumbers]Amount // dropped by the policy, by the stage of that number
}

// Amount is a number of packets, and their bytes.
type Amount struct{ Packets, Bytes uint64 }

// drop adds what the stage of a number dropped.
func (c *Counts) drop(by policy.Verdict, a Amount) {
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
	for by, a := range o.Stages {
		c.drop(policy.Verdict(by), a)
	}
}

func (d *Direction) shared() *sharedDirection { return &d.objects.memory.directions[d.index] }

// Numbers begins a new numbering of packets at 0 and returns its counter: the
// number of the next packet. Who takes n numbers adds n. It stays valid for the
// next 255 numberings.
func (d *Direction) Numbers() *atomic.Uint64 {
	d.numbering = (d.numbering + 1) % numberings
	next := &d.shared().next[d.numbering]
	next.Store(0)
	return next
}

// Open makes the kernel carry out a program with the present numbering, and send
// what is relayed to the link of an index. owner is for CountsOf. The direction opens as
// soon as the relay has passed on what it has. It refuses a program with a stage
// that the kernel does not know: such a program is the relay's.
func (d *Direction) Open(program policy.Program, to int, owner any) error {
	if unknown := program.Stages &^ d.objects.knows; unknown != 0 {
		return fmt.Errorf("the kernel cannot do %v", unknown)
	}
	slot, err := d.slotOf(owner, to)
	if err != nil {
		return err
	}
	entry := &d.objects.memory.entries[d.index][slot]
	entry.program = *(*sharedProgram)(unsafe.Pointer(&program))
	entry.numbering, entry.to = d.numbering, uint64(to)
	d.shared().entry.Store(uint64(slot) + 1)
	return nil
}

// Close leaves everything to the relay. Frames that are being decided about at the
// moment may still be carried on other processors.
func (d *Direction) Close() { d.shared().entry.Store(0) }

// Kick says until when the daemon is to be taken for alive. Afterwards tx is
// relayed without a verdict, and of rx nothing is taken.
func (d *Direction) Kick(until policy.Time) { d.shared().until.Store(uint64(until)) }

// Waiting reports whether frames are on their way through the relay, or to the
// interface, or were lost there.
func (d *Direction) Waiting() bool {
	for i := range d.shared().backlogs {
		b := &d.shared().backlogs[i]
		if (d.index == tx || b.index.Load() != 0) && b.waiting() {
			return true
		}
	}
	if d.index != rx {
		return false
	}
	started, arrived := d.objects.memory.inflight()
	return started != arrived+d.lost.Load()
}

// slotOf finds a slot for an entry: the present one, if it is the same rule, or one
// that no frame can be meeting any more.
func (d *Direction) slotOf(owner any, to int) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := &d.slots[d.present]; t.owner == owner && t.to == to {
		return d.present, nil
	}
	next := (d.present + 1) % entries
	if d.slots[next].owner != nil {
		d.Close()
		// The counters can be read while this waits.
		d.mu.Unlock()
		err := d.objects.synchronize()
		d.mu.Lock()
		if err != nil {
			return 0, err
		}
		d.collect(owner)
	}
	d.present = next
	d.slots[next] = entrySlot{owner: owner, to: to}
	return next, nil
}

// collect frees all slots. What is owner's is kept apart.
func (d *Direction) collect(owner any) {
	if d.kept.owner != owner {
		d.kept = entrySlot{owner: owner}
	}
	for slot := range d.slots {
		counts := d.read(slot)
		d.collected.add(counts)
		if d.slots[slot].owner == owner {
			d.kept.counts.add(counts)
		}
		d.slots[slot] = entrySlot{}
		for cpu := range d.objects.memory.counts {
			d.objects.memory.counts[cpu][d.index][slot] = sharedCount{}
			d.objects.memory.drops[cpu][d.index][slot] = sharedDrops{}
		}
	}
}

// read adds up what the processors counted under the rule of a slot.
func (d *Direction) read(slot int) (sum Counts) {
	for cpu := range d.objects.memory.counts {
		c := &d.objects.memory.counts[cpu][d.index][slot]
		sum.add(Counts{
			RelayedPackets: c.relayedPackets.Load(), RelayedBytes: c.relayedBytes.Load(),
			UnjudgedPackets: c.unjudgedPackets.Load(),
			RefusedPackets:  c.refusedPackets.Load(), RefusedBytes: c.refusedBytes.Load(),
		})
		drops := &d.objects.memory.drops[cpu][d.index][slot]
		for by := range drops {
			sum.drop(policy.Verdict(by), Amount{drops[by].packets.Load(), drops[by].bytes.Load()})
		}
	}
	return sum
}

// Counts is what the kernel did since the programs were loaded.
func (d *Direction) Counts() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	sum := d.collected
	for slot := range d.slots {
		if d.slots[slot].owner != nil {
			sum.add(d.read(slot))
		}
	}
	return sum
}

// CountsOf is what the kernel did for an owner, if that is the present one.
func (d *Direction) CountsOf(owner any) (sum Counts) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kept.owner == owner {
		sum = d.kept.counts
	}
	for slot := range d.slots {
		if d.slots[slot].owner == owner {
			sum.add(d.read(slot))
		}
	}
	return sum
}

// synchronize returns when no frame can be meeting any more what it met before the call:
// the kernel waits for that when an inner map is exchanged (kernel/bpf/syscall.c,
// maybe_wait_bpf_programs).
func (o *Objects) synchronize() error {
	table, err := newClaims()
	if err != nil {
		return err
	}
	defer table.Close()
	if err := o.bpf.Claims.Put(waiting, table); err != nil {
		return fmt.Errorf("wait for the eBPF programs: %w", err)
	}
	return nil
}
