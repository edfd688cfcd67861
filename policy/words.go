package policy

import (
	"strings"

	"github.com/seed-39a139a1/insane/policy/unit"
)

// Example is a policy for help pages and error messages.
const Example = "percent 80"

// Form is one kind of policy, for help pages: pass, or one stage.
type Form struct {
	Name    string // the word that begins it; its counters have the same name
	Number  Stage  // of the stage; Relay for pass
	Usage   string // how it is written: "time ON OFF"
	Summary string // what it does, a phrase without a full stop
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

// Grammar lists the words that begin a form, for error messages: "pass, percent, every …
// or slot".
func Grammar() string {
	var names []string
	for _, form := range Forms() {
		names = append(names, form.Name)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// Meaning describes what the policy does, in words and with the actual numbers: "80 % of
// packets relayed, 20 % dropped".
func (p Policy) Meaning() string {
	given := p.given()
	if len(given) == 1 {
		if alone := given[0].settings(&p).meaning().alone; alone != "" {
			return alone
		}
	}
	const all = "packets"
	packets := all
	var during, then []string
	for i := range given {
		// A stage reduces the packets of the stages before it, so the last stage comes
		// first in the text.
		m := given[len(given)-1-i].settings(&p).meaning()
		if m.except != "" && packets == all {
			packets = "all " + all
		}
		packets = join(" ", m.of, packets, m.except)
		during = append([]string{m.during}, during...)
		then = append([]string{m.then}, then...)
	}
	if packets == all {
		packets = "all " + all
	}
	return join(", ", join(" ", packets, "relayed", join(", ", during...)), join(", ", then...))
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

// Share is a share of the packets or of the time, exactly: Part of Of. The zero Share is
// none.
type Share struct {
	Part, Of uint64
	Time     bool // of the time; it equals a share of the packets only if they come evenly
}

// Shares returns how much each stage of the policy that drops packets by itself drops, of
// the packets that the other stages leave. ok is false if that is not known for one of the
// stages. What the queue of a link drops is not asked for and no part of it.
func (p Policy) Shares() (shares []Share, ok bool) {
	for _, r := range p.given() {
		share, ok := r.settings(&p).share()
		if !ok {
			return nil, false
		}
		if share.Of != 0 {
			shares = append(shares, share)
		}
	}
	return shares, true
}

// Asked is what a policy asks for beside losses, of the packets that it does not lose. Zero
// fields are not asked for.
type Asked struct {
	Copied    Share // copies for each packet; Part may be above Of
	Damaged   Share
	Reordered Share // by the stage reorder

	// Delay and Spread are the mean and the standard deviation of the delays that are
	// drawn. What packets wait beyond that, for the link or for each other, is no part.
	Delay, Spread Time

	Rate unit.Rate
}

// Asked returns what the policy asks for beside losses.
func (p Policy) Asked() (asked Asked) {
	for _, r := range p.given() {
		if s, ok := r.settings(&p).(asker); ok {
			s.ask(&asked)
		}
	}
	return asked
}
