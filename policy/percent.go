package policy

import (
	"fmt"
	"strings"
)

// The stage "percent N" relays N per cent of the packets, each by its own
// draw. The argument is what is relayed, not what is lost, as it was in the
// original insane module of 2000.

// A percentage is kept in millionths of a per cent. Its last decimal is a
// probability of 1e-8, which is 43 steps of a draw; finer ones would blur.
const (
	percentDecimals = 6
	percentUnit     = 1_000_000         // 1 %
	hundred         = 100 * percentUnit // 100 %
)

// percent is the stage's settings. They keep the number as it was written, not
// the chance made of it, so that what is printed is what was asked for.
type percent struct {
	set   bool   // as relay 0 has a meaning
	relay uint32 // 0 … hundred, in millionths of a per cent
}

func (s *percent) given() bool { return s.set }

func (s *percent) parse(args []string) error {
	relay, err := parsePercent(args[0])
	if err != nil {
		return &FieldError{"percent", args[0], err.Error()}
	}
	*s = percent{set: true, relay: relay}
	return nil
}

// words is the shortest decimal number that says it.
func (s *percent) words() string {
	n := uint64(s.relay)
	fixed := fmt.Sprintf("%d.%0*d", n/percentUnit, percentDecimals, n%percentUnit)
	return strings.TrimSuffix(strings.TrimRight(fixed, "0"), ".")
}

func (s *percent) compile(prog *Program, _ Time, key uint64) {
	prog.PercentDrop = uint64(chance(hundred-uint64(s.relay), hundred))
	prog.PercentKey = key
}

// percentDrops says whether the stage drops packet seq. An absent stage has
// the chance 0, which no draw is below.
func (p *Program) percentDrops(seq uint64) bool {
	return Chance(p.PercentDrop).covers(draw(p.PercentKey, seq))
}
