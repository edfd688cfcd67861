package policy

import (
	"fmt"

	"github.com/seed-39a139a1/insane/policy/unit"
)

// Draw is the random number that a loss depends on: the packet is lost if the number is below a
// bound. Both are in units of 2⁻³².
type Draw struct {
	Value uint32
	Below Chance
}

// decimals is how many decimals of a draw are shown.
const decimals = 4

// String says both as numbers from 0 to 1, rounded down.
func (d Draw) String() string {
	return "draw " + part(uint64(d.Value)) + ", lost below " + part(uint64(d.Below))
}

// part prints a number of 2⁻³².
func part(n uint64) string {
	const of = 10_000 // 10 to the power of decimals
	n = n * of >> 32
	return fmt.Sprintf("%d.%0*d", n/of, decimals, n%of)
}

// DrawOf returns the draw of packet seq in a stage. It returns false if the stage has none that
// alone decides: then Why says what does.
func (p *Program) DrawOf(by Stage, seq uint64) (d Draw, ok bool) {
	switch {
	case p.Stages&(1<<by) == 0:
		return d, false
	case by == ByPercent && p.Stages&WithRun == 0:
		return Draw{draw(p.PercentKey, seq), Chance(p.PercentDrop)}, true
	case by == ByGEModel && p.GE.eitherState(nil, chainGE, seq) != good:
		return Draw{draw(p.GEKey, seq), Chance(p.GEBad)}, true
	case by == ByGEModel:
		return Draw{draw(p.GEKey, seq), Chance(p.GEGood)}, true
	}
	return d, false
}

// Why says in words on which draw, state, place or time it depends that a stage loses packet seq
// or not, which arrived at this time; "" if the settings of the stage say it all.
func (p *Program) Why(by Stage, arrival Time, seq uint64) string {
	d, drawn := p.DrawOf(by, seq)
	switch {
	case p.Stages&(1<<by) == 0:
	case by == ByPercent && !drawn:
		return nameOfState(p.Run.eitherState(nil, chainRun, seq))
	case by == ByGEModel:
		text := nameOfState(p.GE.eitherState(nil, chainGE, seq))
		if d.Below == 0 || d.Below >= Always {
			return text
		}
		return text + ", " + d.String()
	case drawn:
		return d.String()
	case by == ByState:
		return "state " + unit.Number(p.State.state(nil, chainState, seq)+1).String()
	case by == ByEvery && p.EveryN != 0:
		return "packet " + unit.Number(seq%p.EveryN+1).String() + " of " + unit.Number(p.EveryN).String()
	case by == ByExactly && p.ExactlyOf != 0:
		from := seq - seq%p.ExactlyOf
		return "of the numbers " + unit.Number(from).String() + " to " + unit.Number(from+p.ExactlyOf-1).String()
	case by == ByTime && p.TimeCycle != 0:
		at := sinceEpoch(arrival, p.TimeEpoch) % p.TimeCycle
		if at < p.TimeOn {
			return unit.Span(at).String() + " after ON"
		}
		return unit.Span(at-p.TimeOn).String() + " after OFF"
	}
	return ""
}

// nameOfState names a state of a chain of two.
func nameOfState(state uint64) string {
	if state == good {
		return "good state"
	}
	return "bad state"
}

// StageText returns a stage of the policy with its settings: "percent 95"; "" if the policy has no
// such stage.
func (p Policy) StageText(s Stage) string {
	for _, r := range p.given() {
		if r.number == s {
			return join(" ", r.name, r.settings(&p).words())
		}
	}
	return ""
}
