package kern

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/seed-39a139a1/insane/policy"
)

// Lane is one direction of a device, as the kernel and the relay share it. It is
// safe for concurrent use; what changes it is to be called by one at a time.
//
// A lane that is closed leaves every frame to the relay.
type Lane struct {
	objects   *Objects
	direction int
	numbering uint64       // index of the present one
	moored    [berths]bool // whether a berth was ever in use

	mu      sync.Mutex // guards the counters
	tenants [rules]tenant
	present int // index of the rule that was opened last
	folded  Counts
	kept    tenant // the part of folded that is a present rule's

	// Of frames between the slave and the interface.
	missing         atomic.Uint64
	started, landed uint64   // as Settle saw them last
	finished        []uint64 // of each processor, as Land saw to it last
}

// tenant is who a place in the table of rules belongs to.
type tenant struct {
	owner  any // as Open was told; nil: the place is free
	to     int
	counts Counts // of kept only; those of other places are in the shared memory
}

// Counts is what the kernel did, in packets.
type Counts struct {
	RelayedPackets, RelayedBytes uint64
	DroppedPackets, DroppedBytes uint64 // by the policy
	UnjudgedPackets              uint64 // of those relayed: as the daemon was taken for dead
	RefusedPackets, RefusedBytes uint64 // by the host, which was to have them
}

func (c *Counts) add(o Counts) {
	c.RelayedPackets += o.RelayedPackets
	c.RelayedBytes += o.RelayedBytes
	c.DroppedPackets += o.DroppedPackets
	c.DroppedBytes += o.DroppedBytes
	c.UnjudgedPackets += o.UnjudgedPackets
	c.RefusedPackets += o.RefusedPackets
	c.RefusedBytes += o.RefusedBytes
}

func (l *Lane) shared() *sharedLane { return &l.objects.memory.lanes[l.direction] }

// Numbers begins a new numbering of packets at 0 and returns its counter: the
// number of the next packet. Who takes n numbers adds n. It stays valid for the
// next 255 numberings.
func (l *Lane) Numbers() *atomic.Uint64 {
	l.numbering = (l.numbering + 1) % numberings
	next := &l.shared().next[l.numbering]
	next.Store(0)
	return next
}

// Open makes the kernel carry out a program with the present numbering, and send
// what is relayed to the link of an index. owner is for CountsOf. The lane opens as
// soon as the relay has passed on what it has. It refuses a program with a stage
// that the kernel does not know: such a program is the relay's.
func (l *Lane) Open(program policy.Program, to int, owner any) error {
	if unknown := program.Stages &^ l.objects.knows; unknown != 0 {
		return fmt.Errorf("the kernel cannot do %v", unknown)
	}
	place, err := l.place(owner, to)
	if err != nil {
		return err
	}
	rule := &l.objects.memory.rules[l.direction][place]
	rule.program = program
	rule.numbering, rule.to = l.numbering, uint64(to)
	l.shared().rule.Store(uint64(place) + 1)
	return nil
}

// Close leaves everything to the relay. Frames that are being decided about at the
// moment may still be carried on other processors.
func (l *Lane) Close() { l.shared().rule.Store(0) }

// Lease says until when the daemon is to be taken for alive. Afterwards tx is
// relayed without a verdict, and of rx nothing is taken.
func (l *Lane) Lease(until policy.Time) { l.shared().until.Store(uint64(until)) }

// Waiting reports whether frames are on their way through the relay, or to the
// interface, or were lost there.
func (l *Lane) Waiting() bool {
	for i := range l.shared().berths {
		b := &l.shared().berths[i]
		if (l.direction == tx || b.index.Load() != 0) && b.waiting() {
			return true
		}
	}
	if l.direction != rx {
		return false
	}
	started, landed := l.objects.memory.inFlight()
	return started != landed+l.missing.Load()
}

// place finds a place for a rule: the present one, if it is the same rule, or one
// that no frame can be meeting any more.
func (l *Lane) place(owner any, to int) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := &l.tenants[l.present]; t.owner == owner && t.to == to {
		return l.present, nil
	}
	next := (l.present + 1) % rules
	if l.tenants[next].owner != nil {
		l.Close()
		// The counters can be read while this waits.
		l.mu.Unlock()
		err := l.objects.synchronize()
		l.mu.Lock()
		if err != nil {
			return 0, err
		}
		l.fold(owner)
	}
	l.present = next
	l.tenants[next] = tenant{owner: owner, to: to}
	return next, nil
}

// fold frees all places. What is owner's is kept apart.
func (l *Lane) fold(owner any) {
	if l.kept.owner != owner {
		l.kept = tenant{owner: owner}
	}
	for place := range l.tenants {
		counts := l.read(place)
		l.folded.add(counts)
		if l.tenants[place].owner == owner {
			l.kept.counts.add(counts)
		}
		l.tenants[place] = tenant{}
		for cpu := range l.objects.memory.counts {
			l.objects.memory.counts[cpu][l.direction][place] = sharedCount{}
		}
	}
}

// read adds up what the processors counted under the rule of a place.
func (l *Lane) read(place int) (sum Counts) {
	for cpu := range l.objects.memory.counts {
		c := &l.objects.memory.counts[cpu][l.direction][place]
		sum.add(Counts{
			RelayedPackets: c.relayedPackets.Load(), RelayedBytes: c.relayedBytes.Load(),
			DroppedPackets: c.droppedPackets.Load(), DroppedBytes: c.droppedBytes.Load(),
			UnjudgedPackets: c.unjudgedPackets.Load(),
			RefusedPackets:  c.refusedPackets.Load(), RefusedBytes: c.refusedBytes.Load(),
		})
	}
	return sum
}

// Counts is what the kernel did since the programs were loaded.
func (l *Lane) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := l.folded
	for place := range l.tenants {
		if l.tenants[place].owner != nil {
			sum.add(l.read(place))
		}
	}
	return sum
}

// CountsOf is what the kernel did for an owner, if that is the present one.
func (l *Lane) CountsOf(owner any) (sum Counts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kept.owner == owner {
		sum = l.kept.counts
	}
	for place := range l.tenants {
		if l.tenants[place].owner == owner {
			sum.add(l.read(place))
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
