package policy

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/seed-39a139a1/insane/policy/unit"
)

// The stage "drop LIST" loses the packets of a list of numbers, counted from 1 at the
// change: with "drop 1,5-7" the first packet and the fifth to seventh. So a policy can be
// about the first SYN or the third answer.
//
// The numbers of a direction go on when its policy changes. The program has the numbers of
// the list as those of the direction: [Start] says which number comes first.

const (
	maxRanges = 16                             // of a list, after those that touch were joined
	maxListed = unit.Number(1_000_000_000_000) // the largest number of a list
)

// numbers are those from first to last. first is 0 if there are none.
type numbers struct{ first, last unit.Number }

// drop has the stage's settings: numbers in ascending order, with a gap between two. The
// first ones are 0 if the stage is absent.
type drop struct{ list [maxRanges]numbers }

func (s *drop) given() bool { return s.list[0].first != 0 }

func (s *drop) parse(c *cursor) {
	s.list = take(c, "", parseList)
}

var (
	errList   = errors.New("must be a list of numbers from 1 on, such as 1,5-7")
	errListed = errors.New("must not have numbers above " + maxListed.String())
	errRange  = errors.New("must have the smaller number of a range first, such as 5-7")
	errRanges = errors.New("must not have more than " + unit.Number(maxRanges).String() + " ranges")
)

// parseList reads numbers and ranges between commas, in any order.
func parseList(s string) (list [maxRanges]numbers, err error) {
	var all []numbers
	for _, part := range strings.Split(s, ",") {
		n, err := parseRange(part)
		if err != nil {
			return list, err
		}
		all = append(all, n)
	}
	all = joinRanges(all)
	if len(all) > maxRanges {
		return list, errRanges
	}
	copy(list[:], all)
	return list, nil
}

// parseRange reads a number, or two with a hyphen between them.
func parseRange(s string) (n numbers, err error) {
	first, last, two := strings.Cut(s, "-")
	if n.first, err = parseListed(first); err != nil || !two {
		n.last = n.first
		return n, err
	}
	if n.last, err = parseListed(last); err == nil && n.last < n.first {
		err = errRange
	}
	return n, err
}

// parseListed reads one number.
func parseListed(s string) (unit.Number, error) {
	if !isDigits(s) {
		return 0, errList
	}
	n, err := unit.ParseNumber(s)
	switch {
	case err != nil || n > maxListed:
		return 0, errListed
	case n == 0:
		return 0, errList
	}
	return n, nil
}

// joinRanges returns the same numbers in ascending order, in as few ranges as possible.
func joinRanges(all []numbers) (joined []numbers) {
	slices.SortFunc(all, func(a, b numbers) int { return cmp.Compare(a.first, b.first) })
	for _, n := range all {
		if i := len(joined) - 1; i >= 0 && n.first <= joined[i].last+1 {
			joined[i].last = max(joined[i].last, n.last)
		} else {
			joined = append(joined, n)
		}
	}
	return joined
}

func (s *drop) words() string {
	var parts []string
	for _, n := range s.list {
		switch {
		case n.first == 0:
		case n.first == n.last:
			parts = append(parts, n.first.String())
		default:
			parts = append(parts, n.first.String()+"-"+n.last.String())
		}
	}
	return strings.Join(parts, ",")
}

func (s *drop) compile(prog *Program, _ Time, _ uint64) {
	for i, n := range s.list {
		if n.first != 0 {
			prog.DropFrom[i], prog.DropCount[i] = uint64(n.first)-1, uint64(n.last-n.first)+1
		}
	}
}

// begin makes the numbers of the list count from a number of the direction.
func (s *drop) begin(prog *Program, first uint64) {
	for i := range prog.DropFrom {
		if prog.DropCount[i] != 0 {
			prog.DropFrom[i] += first
		}
	}
}

// listDrops reports whether the stage drops packet seq.
func (p *Program) listDrops(seq uint64) bool {
	if p.Stages&(1<<ByDrop) == 0 {
		return false
	}
	for i := range p.DropFrom {
		if seq-p.DropFrom[i] < p.DropCount[i] {
			return true
		}
	}
	return false
}

func (s *drop) usage() string { return "drop LIST" }

func (s *drop) summary() string {
	return "drop the packets with these numbers, counted from 1 at the change, such as 1,5-7; up to " +
		unit.Number(maxRanges).String() + " ranges"
}

func (s *drop) meaning() meaning {
	list := "the numbers " + s.words()
	if s.list[1].first == 0 && s.list[0].first == s.list[0].last {
		list = "number " + s.words()
	}
	return meaning{alone: "all packets but " + list + " relayed", except: "but " + list}
}

// share returns false: it depends on how many packets come.
func (s *drop) share() (Share, bool) { return Share{}, false }
