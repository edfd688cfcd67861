package kern

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/seed-39a139a1/insane/policy/match"
)

// candidate is struct candidate of rules.h.
type (
	candidate struct {
		words                           match.Words
		match, more                     uint32
		lengthLow, lengthHigh           uint32
		sourceLow, sourceHigh           uint16
		destinationLow, destinationHigh uint16
	}
)

// putTable puts the table of a layer into its place, unless it is there.
func (d *Direction) putTable(next *lookup, layer int, l match.Layer) error {
	outer := d.objects.bpf.RuleTables
	switch {
	case l.Same(d.lookup.layers[layer]):
		return nil
	case l.Len() == 0:
		for turn := range turns {
			err := outer.Delete(uint32((d.index*turns+turn)*layers + layer))
			if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				return fmt.Errorf("remove the table of rules: %w", err)
			}
		}
		return nil
	}
	table, digests, err := fillRules(l)
	if err != nil {
		return err
	}
	next.digests[layer] = digests
	defer table.Close() // the outer map holds a reference
	next.turns[layer] = 1 - next.turns[layer]
	if err := outer.Put(uint32((d.index*turns+next.turns[layer])*layers+layer), table); err != nil {
		return fmt.Errorf("exchange the table of rules: %w", err)
	}
	return nil
}

// digests says how the digests of a table are made.
type digests struct {
	seed    uint64
	filters []uint64 // of each tuple: see struct tuple
}

// fillRules makes the table of a layer. The caller closes it.
func fillRules(l match.Layer) (table *ebpf.Map, made digests, err error) {
	for made = newDigests(l); !made.differ(l); {
		made = newDigests(l)
	}
	if table, err = newRuleTable(l.CandidateCount()); err != nil {
		return nil, made, err
	}
	f := filler{table: table, made: made}
	if err = l.Candidates(f.add); err == nil {
		err = f.flush()
	}
	if err != nil {
		table.Close()
		return nil, made, fmt.Errorf("fill the table of rules: %w", err)
	}
	return table, made, nil
}

// newDigests chooses digests for a layer.
func newDigests(l match.Layer) digests {
	return digests{rand.Uint64(), make([]uint64, len(l.Tuples()))}
}

// differ reports whether no two candidates of a layer have one digest, and sets the filters.
func (d digests) differ(l match.Layer) bool {
	list := make([]uint64, 0, l.CandidateCount())
	_ = l.Candidates(func(c *match.Candidate) error {
		digest := d.of(c)
		list = append(list, digest)
		d.filters[c.Tuple] |= 1 << (digest >> 58)
		return nil
	})
	n := len(list)
	slices.Sort(list)
	return len(slices.Compact(list)) == n
}

// newRuleTable makes an empty table for so many candidates, as struct rule_table of rules.h says.
func newRuleTable(candidates int) (*ebpf.Map, error) {
	table, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: "rules", Type: ebpf.Hash, MaxEntries: uint32(max(1, candidates)), KeySize: digestSize, ValueSize: candidateSize,
	})
	if err != nil {
		return nil, explain("make a table of rules", err)
	}
	return table, nil
}

const (
	digestSize    = 8
	candidateSize = 80
)

// filler puts candidates into a table, many in one system call.
type filler struct {
	table  *ebpf.Map
	made   digests
	keys   []uint64
	values []candidate
}

func (f *filler) add(c *match.Candidate) error {
	f.keys = append(f.keys, f.made.of(c))
	f.values = append(f.values, candidate{
		words: c.Value, match: uint32(c.Match), more: uint32(toWord(c.More)), lengthLow: c.LengthLow, lengthHigh: c.LengthHigh,
		sourceLow: c.SourceLow, sourceHigh: c.SourceHigh, destinationLow: c.DestinationLow, destinationHigh: c.DestinationHigh,
	})
	if len(f.values) < fillBatch {
		return nil
	}
	return f.flush()
}

// flush puts into the table what add has collected.
func (f *filler) flush() error {
	err := putAll(f.table, f.keys, f.values)
	f.keys, f.values = f.keys[:0], f.values[:0]
	return err
}

// factors are those of candidate_of in rules.h: odd numbers without a pattern.
var factors = [...]uint64{
	0xa0761d6478bd642f, 0xe7037ed1a0b428db, 0x8ebc6af09c88c6e3, 0x589965cc75374cc3, 0x1d8e4e27c47d124f, 0xeb44accab455d165,
	0x9c1b8e1e9628323f, 0x802910e3a9f63f6b,
}

// of returns the key of a candidate, as candidate_of makes it of a packet.
func (d digests) of(c *match.Candidate) (sum uint64) {
	last := len(c.Value)
	for i, word := range c.Value {
		word ^= d.seed
		sum += (word ^ word>>32) * factors[i]
	}
	number := uint64(c.Ordinal)<<32 | uint64(c.Tuple)
	return sum + (number^number>>32)*factors[last]
}
