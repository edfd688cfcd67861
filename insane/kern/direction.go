package kern

import (
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/seed-39a139a1/insane/policy"
)

// Direction is the kernel's part of one direction, which the kernel and the relay
// share. While it is open, the kernel relays or drops frames as the entry in force
// says. While it is closed, the kernel leaves every frame to the relay.
//
// Kick, Waiting, Counts, CountsOf and Lost may be called at any time by any goroutine.
// Only the relay of rx may call Drain. Of the other methods, only one may run at a time.
type Direction struct {
	objects    *Objects
	index      int
	numbering  uint64         // index of the current numbering
	judge      uint64         // not 0: entries that Open writes judge neighbours
	registered [backlogs]bool // whether a backlog was ever registered

	lookup  lookup        // mu guards version and words
	inForce atomic.Uint64 // lookup.version

	mu        sync.Mutex         // guards the counters, and what follows
	slots     [entries]entrySlot // the first of them, a ring, are what Open writes; the others are of rules
	present   int                // slot of the entry that Open wrote last
	collected Counts             // of entries of the ring that are gone
	kept      entrySlot          // the part of collected that belongs to the owner of the present entry
	ruled     Counts             // of entries of rules that are gone

	free, retired               []int // slots of rules that are not in use; until the next grace period
	freeNumbers, retiredNumbers []int // the same for numberings

	counting          sync.Mutex // guards all backlogs of the direction, and what follows
	required, settled uint64     // editions: see Require

	// Inflight frames, between the slave and the interface.
	lost             atomic.Uint64
	started, arrived uint64   // at the last call of Settle
	finished         []uint64 // per CPU: the value of arrived that finish last waited for
}

// entrySlot is the owner and the link of one entry of the shared table.
type entrySlot struct {
	owner   any      // the owner given to Open or Carry; nil: the slot is free
	account *Account // of a rule
	to      int      // index of the link where relayed frames go
	rules   uint64   // the version of the rules
	counts  Counts   // of kept only; the counters of other slots are in shared memory
}

// newDirection returns a direction that is closed, and of which no entry is in use.
func newDirection(o *Objects, index int) *Direction {
	d := &Direction{objects: o, index: index}
	for slot := ring; slot < entries; slot++ {
		d.free = append(d.free, slot)
	}
	for numbering := ring; numbering < numberings; numbering++ {
		d.freeNumbers = append(d.freeNumbers, numbering)
	}
	return d
}

func (d *Direction) shared() *sharedDirection { return &d.objects.memory.directions[d.index] }

// Numbers starts a new numbering of packets at 0. It returns the counter that holds the
// number of the next packet; the relay adds n to it to take n numbers. Entries that
// Open writes later take their numbers from it. The counter is valid until Numbers has
// been called 256 more times.
func (d *Direction) Numbers() *atomic.Uint64 {
	d.numbering = (d.numbering + 1) % ring
	next := &d.shared().next[d.numbering]
	next.Store(0)
	return next
}

// JudgeNeighbours makes entries that Open writes later judge and number the messages of
// neighbours (neighbour.h) like other packets; with false, as at first, they are relayed
// without that. The owner of such an entry must be another one than before.
func (d *Direction) JudgeNeighbours(on bool) {
	d.judge = 0
	if on {
		d.judge = 1
	}
}

// Open opens the direction: the kernel decides by program, with numbers of the current
// numbering, and sends relayed frames to the link with index to. owner is any comparable
// value; CountsOf reports the counters of one owner. While the relay has frames in a
// backlog, the kernel still leaves new frames to it.
//
// Open fails if program has a stage that the kernel does not know. It may wait for a
// grace period when all entries of the table are used.
func (d *Direction) Open(program policy.Program, to int, owner any) error {
	return d.OpenRules(program, to, owner, Rules{})
}

// OpenRules is Open with rules in front of the program. A frame that fits a rule goes the way that
// Carry or Leave says, and to the relay while neither has been called. It waits for a grace period
// if there were other rules. The error is ErrTuples or ErrFilter if the programs cannot look them up.
func (d *Direction) OpenRules(program policy.Program, to int, owner any, rules Rules) error {
	if unknown := program.Stages &^ d.objects.knows[d.index]; unknown != 0 && !rules.Left {
		return fmt.Errorf("the kernel cannot do %v", unknown)
	}
	if rules.Version != 0 && d.index == rx && smallFilters() {
		return ErrFilter
	}
	if rules.Version != d.lookup.version {
		d.Close()
		if err := d.exchange(rules); err != nil {
			return err
		}
	}
	slot, err := d.slotOf(owner, to)
	if err != nil {
		return err
	}
	entry := &d.objects.memory.entries[d.index][slot]
	entry.program = toShared(&program)
	entry.numbering, entry.to, entry.judgeNeighbours = d.numbering, uint64(to), d.judge
	entry.nameNeighbours, entry.left = toWord(rules.NameNeighbours), toWord(rules.Left)
	entry.rules = sharedRules{tuples: uint64(d.lookup.tuples), first: uint64(d.lookup.first(d.index))}
	d.shared().entry.Store(uint64(slot) + 1)
	return nil
}

// toShared returns the part of a program that the C knows.
func toShared(p *policy.Program) sharedProgram { return *(*sharedProgram)(unsafe.Pointer(p)) }

// toWord returns a truth value of the C.
func toWord(is bool) uint64 {
	if is {
		return 1
	}
	return 0
}

// Close closes the direction: later frames go to the relay. It does not wait, so other
// CPUs may still relay frames that they have begun with.
func (d *Direction) Close() { d.shared().entry.Store(0) }

// Kick kicks the watchdog: the kernel takes the daemon for alive until the given time,
// in nanoseconds of CLOCK_MONOTONIC. After that time the kernel relays tx without a
// verdict, and takes no frame of rx from the slave's stack.
func (d *Direction) Kick(until policy.Time) { d.shared().until.Store(uint64(until)) }

// Receives reports whether this is the direction from the slave to the host.
func (d *Direction) Receives() bool { return d.index == rx }

// Waiting reports whether the relay has frames in a backlog, or frames of rx are
// inflight. It keeps reporting true for a lost frame until the loss is known.
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

// slotOf returns the slot for an entry: the present slot if owner, link and rules are the
// same, or else the next one. If the next slot was used before, slotOf waits until no
// program reads it, and collects the counters of all slots.
func (d *Direction) slotOf(owner any, to int) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := &d.slots[d.present]; t.owner == owner && t.to == to && t.rules == d.lookup.version {
		return d.present, nil
	}
	next := (d.present + 1) % ring
	if d.slots[next].owner != nil {
		d.Close()
		// Counts and CountsOf need the mutex during the wait.
		d.mu.Unlock()
		err := d.objects.synchronize()
		d.mu.Lock()
		if err != nil {
			return 0, err
		}
		d.collect(owner)
	}
	d.present = next
	d.slots[next] = entrySlot{owner: owner, to: to, rules: d.lookup.version}
	d.objects.memory.memos[d.index][next].forget() // it is of the program before
	return next, nil
}

// synchronize waits for an RCU grace period: when it returns, every program that ran at
// the time of the call has finished. It replaces an inner map, after which the kernel
// waits for a grace period (kernel/bpf/syscall.c, maybe_wait_bpf_programs).
func (o *Objects) synchronize() error {
	if err := o.bpf.Claims.Put(dummySlot, o.dummy); err != nil {
		return fmt.Errorf("wait for the eBPF programs: %w", err)
	}
	return nil
}
