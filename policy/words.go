package policy

import "strings"

// Example is a policy for help pages and error messages.
const Example = "percent 80"

// Form is one kind of policy, for help pages: pass, or one stage.
type Form struct {
	Name    string  // the word that begins it; its counters have the same name
	Number  Verdict // of the stage; Relay for pass
	Usage   string  // how it is written: "time ON OFF"
	Summary string  // what it does, a phrase without a full stop
}

// Forms lists all forms: pass, and then each stage in canonical order.
func Forms() []Form {
	forms := []Form{{Name: pass, Usage: pass, Summary: "relay every packet"}}
	for _, r := range table {
		s := r.settings(new(Policy))
		forms = append(forms, Form{r.name, r.number, s.usage(), s.summary()})
	}
	return forms
}

// Several returns the form of a policy with more than one stage.
func Several() Form {
	return Form{
		Usage:   "STAGE STAGE ...",
		Summary: "several of them, each at most once and in any order: a packet is dropped if any of them drops it",
	}
}

// Grammar lists all forms for error messages: "pass, percent N, every N or time ON OFF".
func Grammar() string {
	var usages []string
	for _, form := range Forms() {
		usages = append(usages, form.Usage)
	}
	last := len(usages) - 1
	return strings.Join(usages[:last], ", ") + " or " + usages[last]
}

// Meaning describes what the policy does, in words and with the actual numbers: "80 % of
// packets relayed, 20 % dropped".
func (p Policy) Meaning() string {
	given := p.given()
	if len(given) == 1 {
		return given[0].settings(&p).meaning().alone
	}
	const all = "packets"
	packets := all
	var during []string
	for i := range given {
		// A stage reduces the packets of the stages before it, so the last stage comes
		// first in the text.
		m := given[len(given)-1-i].settings(&p).meaning()
		if m.except != "" && packets == all {
			packets = "all " + all
		}
		packets = join(" ", m.of, packets, m.except)
		during = append([]string{m.during}, during...)
	}
	if packets == all {
		packets = "all " + all
	}
	return join(" ", packets, "relayed", join(", ", during...))
}

// join joins those of the parts that are not empty.
func join(sep string, parts ...string) string {
	var some []string
	for _, part := range parts {
		if part != "" {
			some = append(some, part)
		}
	}
	return strings.Join(some, sep)
}

// Share is how much one stage loses, exactly: Lost of Of. Of is above 0.
type Share struct {
	Lost, Of uint64
	Time     bool // a share of the time; it equals a share of the packets only if they come evenly
}

// Shares returns how much each stage of the policy loses, of the packets that the other
// stages leave. ok is false if that is not known for one of the stages.
func (p Policy) Shares() (shares []Share, ok bool) {
	for _, r := range p.given() {
		share, ok := r.settings(&p).share()
		if !ok {
			return nil, false
		}
		shares = append(shares, share)
	}
	return shares, true
}
