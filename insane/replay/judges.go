package replay

import (
	"errors"
	"fmt"

	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/policy"
)

// judges are the programs of a recording.
type judges struct {
	list     []ledger.Program
	programs []policy.Program // of list
	places   map[judgeKey]uint32
	last     map[ruleKey]uint32 // the program that judged last
	waits    map[ruleKey]uint32 // a program whose verdict made a packet wait
}

// judgeKey identifies a program of a recording.
type judgeKey struct {
	direction policy.Direction
	id        uint32
}

// ruleKey identifies a rule, or with "" the policy of a direction.
type ruleKey struct {
	direction policy.Direction
	rule      string
}

func newJudges() judges {
	return judges{places: make(map[judgeKey]uint32), last: make(map[ruleKey]uint32), waits: make(map[ruleKey]uint32)}
}

// place returns the place of a program.
func (j *judges) place(p *ledger.Program) (uint32, error) {
	key := judgeKey{p.Direction, p.ID}
	place, there := j.places[key]
	if !there {
		if len(j.list) >= MaxPrograms {
			return 0, limitf("programs", MaxPrograms)
		}
		compiled, err := p.Compile()
		if err != nil {
			return 0, fmt.Errorf("a policy of the recording: %w", err)
		}
		place = uint32(len(j.list))
		j.places[key] = place
		told := *p
		told.ID = place
		j.list, j.programs = append(j.list, told), append(j.programs, compiled)
	}
	return place, nil
}

// note notes that a program judged.
func (j *judges) note(place uint32, v *policy.Verdict) {
	key := ruleKey{j.list[place].Direction, j.list[place].Rule}
	j.last[key] = place
	if v.Delay != 0 || v.Behind != 0 {
		j.waits[key] = place
	}
}

// settle makes the policies of a setup those that judged last.
func (j *judges) settle(s *ledger.Setup) error {
	switch {
	case s.TX == "" || s.RX == "":
		return errors.New("it does not tell the policies and the rules: insanely record of another version has made it")
	case s.RulesLeftOut:
		return fmt.Errorf("its rules are left out, as they have more than %d bytes", ledger.MaxRules)
	}
	rules, err := policy.ParseRules(s.Rules, "rules of the recording")
	if err != nil {
		return err
	}
	for key, place := range j.last {
		p := &j.list[place]
		if other, there := j.waits[key]; there && !j.programs[place].Holds() {
			return fmt.Errorf("the policy of %s changed from %q to %q while it was recorded, and with the second one nothing can wait: record it with one",
				nameOf(key), j.list[other].Policy, p.Policy)
		}
		parsed, err := policy.Parse(p.Policy)
		if err != nil {
			return err
		}
		switch {
		case key.rule == "" && key.direction == policy.TX:
			s.TX = p.Policy
			continue
		case key.rule == "":
			s.RX = p.Policy
			continue
		case key.direction == policy.TX:
			rules, err = rules.Set(key.rule, &parsed, nil)
		default:
			rules, err = rules.Set(key.rule, nil, &parsed)
		}
		if err != nil {
			return fmt.Errorf("rule %s came while it was recorded: record it with the rules from the beginning", key.rule)
		}
	}
	s.Rules = rules.String()
	return nil
}

// nameOf names a rule for a user.
func nameOf(key ruleKey) string {
	if key.rule == "" {
		return key.direction.String()
	}
	return "rule " + key.rule
}
