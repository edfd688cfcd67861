package kern

import (
	"sync/atomic"

	"github.com/seed-39a139a1/insane/policy"
)

// Account sums the counters of all entries of one rule, of all its policies. The zero value is
// ready. It belongs to one Direction.
type Account struct {
	kept  Counts // of entries that are gone
	slots []int  // of the others
}

// Numbering is a counter of packets that relay and kernel share.
type Numbering struct {
	Next  *atomic.Uint64 // number of the next packet
	index int
}

// Carried says how the kernel carries out one rule.
type Carried struct {
	Version   uint64 // of the rules
	Place     int    // of the rule in the list that Rules.Index finds
	Program   policy.Program
	Numbering Numbering
	Owner     any // for CountsOfRule: not nil
	Account   *Account
}

// NoSlot is the slot of a rule that the kernel does not carry out.
const NoSlot = -1

// Knows reports whether the kernel can carry out a program.
func (d *Direction) Knows(stages policy.Stages) bool { return stages&^d.objects.knows[d.index] == 0 }

// TakeNumbering returns a counter that nobody else uses, at 0; ok is false if there is none left.
// TakeNumbering, Carry, Leave and the Retire methods may be called at any time, by one goroutine.
func (d *Direction) TakeNumbering() (n Numbering, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	last := len(d.freeNumbers) - 1
	if last < 0 {
		return Numbering{}, false
	}
	n.index = d.freeNumbers[last]
	d.freeNumbers = d.freeNumbers[:last]
	n.Next = &d.shared().next[n.index]
	n.Next.Store(0)
	return n, true
}

// Carry makes the kernel carry out a rule. slot is what Carry has returned for the same program and
// numbering, or NoSlot. It returns NoSlot if it has no room. told is false if other rules are in
// force, or if these are not yet; then nothing has happened.
func (d *Direction) Carry(c Carried, slot int) (now int, told bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.Version != d.lookup.version {
		return slot, false
	}
	if slot == NoSlot {
		if slot = d.take(&c); slot == NoSlot {
			d.say(c.Place, left)
			return NoSlot, true
		}
	}
	d.say(c.Place, uint64(slot)+1)
	return slot, true
}

// take makes an entry of a rule in a slot that is free. The caller holds d.mu.
func (d *Direction) take(c *Carried) (slot int) {
	last := len(d.free) - 1
	if last < 0 {
		return NoSlot
	}
	slot = d.free[last]
	d.free = d.free[:last]
	d.slots[slot] = entrySlot{owner: c.Owner, account: c.Account}
	c.Account.slots = append(c.Account.slots, slot)
	d.objects.memory.memos[d.index][slot].forget()
	entry := &d.objects.memory.entries[d.index][slot]
	entry.program = toShared(&c.Program)
	entry.numbering = uint64(c.Numbering.index)
	return slot
}

// Leave leaves a rule to the relay: the kernel carries other rules past its frames. told is as in
// Carry.
func (d *Direction) Leave(version uint64, place int) (told bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if version != d.lookup.version {
		return false
	}
	d.say(place, left)
	return true
}

// say writes what the kernel does with a rule. The caller holds d.mu.
func (d *Direction) say(place int, code uint64) {
	d.objects.memory.words[d.index][d.lookup.words[place]].Store(uint64(place)<<placeShift | code)
}

// Retire gives back a slot that Carry has returned, when no later rules name it.
func (d *Direction) Retire(slot int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if slot != NoSlot {
		d.retired = append(d.retired, slot)
	}
}

// RetireNumbering gives back a numbering.
func (d *Direction) RetireNumbering(n Numbering) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n.Next != nil {
		d.retiredNumbers = append(d.retiredNumbers, n.index)
	}
}

// reclaim frees a slot of a rule that no program uses. The caller holds d.mu.
func (d *Direction) reclaim(slot int) {
	var counts Counts
	d.read(slot, &counts)
	d.ruled.add(counts)
	a := d.slots[slot].account
	a.kept.add(counts)
	for i, s := range a.slots {
		if s == slot {
			a.slots = append(a.slots[:i], a.slots[i+1:]...)
			break
		}
	}
	d.clear(slot)
	d.free = append(d.free, slot)
}

// CountsOfRule returns the counters of a rule: all of its account, and those of one owner.
func (d *Direction) CountsOfRule(a *Account, owner any) (all, own Counts) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all = a.kept
	for _, slot := range a.slots {
		var counts Counts
		d.read(slot, &counts)
		all.add(counts)
		if d.slots[slot].owner == owner {
			own.add(counts)
		}
	}
	return all, own
}

// CountsOfNone returns the counters of what fits no rule.
func (d *Direction) CountsOfNone() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	sum := d.collected
	for slot := range d.slots[:ring] {
		if d.slots[slot].owner != nil {
			d.read(slot, &sum)
		}
	}
	return sum
}
