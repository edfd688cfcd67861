package policy

import "github.com/seed-39a139a1/insane/policy/match"

// Ruleset is what judges the packets of one direction: its rules, and its own policy as the
// last one, which all packets fit. It is immutable and replaced as a whole; any number of
// goroutines may use it. A place in it is a number from 0 to Len()-1.
//
// Each rule has a program whose random draws are its own: they depend on the seed of the
// direction, the rule's name and the packet's number, and on nothing else. To add, move or
// change a rule moves no draw of another. The draws of the direction's own policy are those of
// a direction without rules. The numbers of packets are the caller's: one count for each rule,
// of the packets that the rule judges.
type Ruleset struct {
	table    *match.Table
	names    []string
	policies []*Policy
	epochs   []Time
	programs []Program
	former   []int32 // of each rule, the place in the ruleset before; -1: there is none
	stages   Stages
	holds    bool
}

// Compiling has the arguments of Compile.
type Compiling struct {
	Own      Policy // the direction's own policy
	OwnEpoch Time   // when its phases in time begin

	Epoch  Time     // when the phases of new policies of rules begin
	Seed   uint64   // of the direction
	Before *Ruleset // a rule that has the same policy there keeps its epoch; nil: there is none
}

// Compile makes the ruleset of a direction. It takes from the list the rules that look at the
// direction, in their order. The list must have at most MaxRules, each with another name.
func (rs Rules) Compile(d Direction, c Compiling) *Ruleset {
	s := rs.newRuleset(d)
	matches := make([]match.Match, 0, cap(s.names))
	places := c.Before.places()
	for i := range rs {
		p := rs[i].Policy(d)
		if p == nil {
			continue
		}
		matches = append(matches, rs[i].Match)
		epoch, former := c.Epoch, int32(-1)
		if place, ok := places[rs[i].Name]; ok {
			former = place
			if *c.Before.policies[place] == *p {
				epoch = c.Before.epochs[place]
			}
		}
		s.add(rs[i].Name, p, epoch, RuleSeed(c.Seed, rs[i].Name), former)
	}
	former := int32(-1)
	if c.Before != nil {
		former = int32(c.Before.Own())
	}
	s.add(DefaultRule, &c.Own, c.OwnEpoch, c.Seed, former)
	s.table = match.NewTable(matches)
	return s
}

// newRuleset returns an empty ruleset with room for what looks at a direction.
func (rs Rules) newRuleset(d Direction) *Ruleset {
	n := 1
	for i := range rs {
		if rs[i].Policy(d) != nil {
			n++
		}
	}
	return &Ruleset{
		names: make([]string, 0, n), policies: make([]*Policy, 0, n), epochs: make([]Time, 0, n),
		programs: make([]Program, 0, n), former: make([]int32, 0, n),
	}
}

// places returns the places of the rules, by name. s may be nil.
func (s *Ruleset) places() map[string]int32 {
	if s == nil {
		return nil
	}
	places := make(map[string]int32, s.Own())
	for i, name := range s.names[:s.Own()] {
		places[name] = int32(i)
	}
	return places
}

// add adds a rule behind the others.
func (s *Ruleset) add(name string, p *Policy, epoch Time, seed uint64, former int32) {
	prog := p.Compile(epoch, seed)
	s.names = append(s.names, name)
	s.policies = append(s.policies, p)
	s.epochs = append(s.epochs, epoch)
	s.programs = append(s.programs, prog)
	s.former = append(s.former, former)
	s.stages |= prog.Stages
	s.holds = s.holds || prog.Holds()
}

// Len returns how many rules there are, with the direction's own policy: at least 1.
func (s *Ruleset) Len() int { return len(s.programs) }

// Own returns the place of the direction's own policy, which is the last one.
func (s *Ruleset) Own() int { return len(s.programs) - 1 }

// Lookup returns the place of the rule that judges a packet. The length is that of its
// Ethernet frame in bytes, without preamble and checksum (FCS). It allocates nothing.
func (s *Ruleset) Lookup(k *match.Key, length uint32) int {
	if rule, ok := s.table.Lookup(k, length); ok {
		return rule
	}
	return s.Own()
}

// SameLengths reports whether one rule judges all packets with one key whose lengths are from
// low to high. If it returns false, this may still be so.
func (s *Ruleset) SameLengths(low, high uint32) bool { return s.table.SameLengths(low, high) }

// Table returns the table of the rules without the direction's own policy. A place in it is
// the same place in the ruleset.
func (s *Ruleset) Table() *match.Table { return s.table }

// Name returns the name of the rule at a place; DefaultRule for the direction's own policy.
func (s *Ruleset) Name(place int) string { return s.names[place] }

// Policy returns the policy of the rule at a place.
func (s *Ruleset) Policy(place int) Policy { return *s.policies[place] }

// Epoch returns when the phases of the policy at a place began.
func (s *Ruleset) Epoch(place int) Time { return s.epochs[place] }

// Program returns the program of the rule at a place. It must not be changed.
func (s *Ruleset) Program(place int) *Program { return &s.programs[place] }

// Former returns the place that the rule of the same name had in the ruleset Before, so that
// its count of packets can go on. ok is false if there was none.
func (s *Ruleset) Former(place int) (former int, ok bool) {
	return int(s.former[place]), s.former[place] >= 0
}

// Stages returns the stages that one program or another has.
func (s *Ruleset) Stages() Stages { return s.stages }

// Holds reports whether a program makes packets wait: see [Program.Holds].
func (s *Ruleset) Holds() bool { return s.holds }

// RuleSeed returns the seed of a rule, with which its policy is compiled, from the seed of the
// direction. The direction's own policy has the seed of the direction itself.
func RuleSeed(seed uint64, name string) uint64 {
	// The top bit keeps the indexes of rules apart from those of stages and directions.
	return Subseed(seed, nameHash(name)|1<<63)
}

// nameHash is FNV-1a (draft-eastlake-fnv). Recorded seeds depend on it, so it never changes.
func nameHash(name string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for _, b := range []byte(name) {
		h = (h ^ uint64(b)) * 0x100000001b3
	}
	return h
}
