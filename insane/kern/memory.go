package kern

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/policy"
)

// The indexes of the directions and the sizes of direction.h.
const (
	tx = iota
	rx
	directions

	entries    = 1024
	numberings = 1024
	backlogs   = 2
	memoFacts  = 128

	ring = 256 // the part of entries and numberings that is not for rules
)

// These are the structures of direction.h and insane.c, in memory that the kernel writes
// as well. A test compares their layouts with the BTF of the objects.
type (
	sharedEntry struct {
		program         sharedProgram
		numbering       uint64
		to              uint64
		judgeNeighbours uint64
		nameNeighbours  uint64
		left            uint64
		rules           sharedRules
	}

	sharedRules struct{ tuples, first uint64 }

	// sharedMemo has the states of chains that the programs have found by one entry.
	sharedMemo [memoFacts]atomic.Uint64

	// sharedProgram is a policy.Program up to the last field that the C knows. Fields of
	// stages that it does not know come behind.
	sharedProgram [unsafe.Sizeof(kernEntry{}.Program) / 8]uint64

	sharedBacklog struct {
		index, limit, entered, last, done, refused, left, stamps atomic.Uint64
	}

	sharedDirection struct {
		entry, until atomic.Uint64
		_            uint64 // a field that only the programs use
		labels       atomic.Uint64
		sample       atomic.Uint64
		header       [3]uint64
		backlogs     [backlogs]sharedBacklog
		next         [numberings]atomic.Uint64
	}

	sharedCount struct {
		relayedPackets, relayedBytes     atomic.Uint64
		unjudgedPackets                  atomic.Uint64
		refusedPackets, refusedBytes     atomic.Uint64
		neighbourPackets, neighbourBytes atomic.Uint64
		_                                uint64
	}

	sharedAmount struct{ packets, bytes atomic.Uint64 }
	sharedDrops  [policy.StageNumbers]sharedAmount // by the number of the stage

	sharedRecall struct {
		cookie, link, routed, seen atomic.Uint64
		_                          [4]uint64
	}

	sharedLabel struct {
		turn, print, tagged, priority, mark, time atomic.Uint64
		_                                         [2]uint64
	}

	sharedInflight struct {
		started, arrived, finished atomic.Uint64
		_                          [5]uint64
	}
)

// memory is the memory of the maps, which the programs and this process share without
// system calls. It stays mapped until the process ends, because counters are read after
// Close as well.
type memory struct {
	directions []sharedDirection                  // by direction
	entries    [][entries]sharedEntry             // by direction
	counts     [][directions][entries]sharedCount // by CPU
	drops      [][directions][entries]sharedDrops // by CPU
	inflights  []sharedInflight                   // by CPU
	memos      [][entries]sharedMemo              // by direction
	tuples     [][maxTuples]sharedTuple           // by direction and turn
	words      [][maxWords]atomic.Uint64          // by direction
	recall     *sharedRecall
	labels     []sharedLabel  // a ring
	version    *atomic.Uint64 // of the claims: see claims.h
}

// newMemory maps all shared maps.
func newMemory(maps *kernMaps) (m *memory, err error) {
	m = &memory{}
	if m.directions, err = share[sharedDirection](maps.Directions); err != nil {
		return nil, err
	}
	if m.entries, err = share[[entries]sharedEntry](maps.Entries); err != nil {
		return nil, err
	}
	if m.counts, err = share[[directions][entries]sharedCount](maps.Counts); err != nil {
		return nil, err
	}
	if m.drops, err = share[[directions][entries]sharedDrops](maps.Drops); err != nil {
		return nil, err
	}
	if m.memos, err = shareParts[[entries]sharedMemo](maps.Facts); err != nil {
		return nil, err
	}
	if m.tuples, err = shareParts[[maxTuples]sharedTuple](maps.Tuples); err != nil {
		return nil, err
	}
	if m.words, err = shareParts[[maxWords]atomic.Uint64](maps.Words); err != nil {
		return nil, err
	}
	if m.labels, err = share[sharedLabel](maps.Labels); err != nil {
		return nil, err
	}
	if m.inflights, err = share[sharedInflight](maps.Inflights); err != nil {
		return nil, err
	}
	recalls, err := share[sharedRecall](maps.Recalls)
	if err != nil {
		return nil, err
	}
	m.recall = &recalls[0]
	versions, err := share[atomic.Uint64](maps.Versions)
	if err != nil {
		return nil, err
	}
	m.version = &versions[0]
	return m, nil
}

// share maps the values of a BPF array into this process.
func share[T any](array *ebpf.Map) ([]T, error) {
	return shareParts[T](array)
}

// shareParts maps a BPF array of which T are several values.
func shareParts[T any](array *ebpf.Map) ([]T, error) {
	bytes := int(array.MaxEntries()) * int(array.ValueSize())
	page := os.Getpagesize()
	mapped, err := unix.Mmap(array.FD(), 0, (bytes+page-1)/page*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", array, err)
	}
	first := (*T)(unsafe.Pointer(unsafe.SliceData(mapped)))
	return unsafe.Slice(first, bytes/int(unsafe.Sizeof(*first))), nil
}

// forget empties the memo. No program may use it.
func (m *sharedMemo) forget() {
	for i := range m {
		m[i].Store(0)
	}
}

// waiting reports whether frames wait for the relay.
func (b *sharedBacklog) waiting() bool {
	left := b.left.Load() // before entered: see fastpath in fastpath.h
	return b.entered.Load() != left
}
