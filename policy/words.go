package policy

import "strings"

// Example is a policy for help pages and error messages.
const Example = "percent 80"

// Form is one thing that a policy may be, for help pages.
type Form struct {
	Name    string  // the word that begins it, and the name that it is counted under
	Number  Verdict // of the stage; Relay for pass
	Usage   string  // how it is written: "time ON OFF"
	Summary string  // what it does, a phrase without a full stop
}

// Forms lists what a policy may be: pass, and then each stage in canonical order.
func Forms() []Form {
	forms := []Form{{Name: pass, Usage: pass, Summary: "relay every packet"}}
	for _, r := range table {
		s := r.settings(new(Policy))
		forms = append(forms, Form{r.name, r.number, s.usage(), s.summary()})
	}
	return forms
}

// Several is what a policy of more than one stage is.
func Several() Form {
	return Form{
		Usage:   "STAGE STAGE ...",
		Summary: "several of them, each at most once and in any order: a packet is dropped if any of them drops it",
	}
}

// Grammar is what a policy may be, for error messages: "pass, percent N, every N or
// time ON OFF".
func Grammar() string {
	var usages []string
	for _, form := range Forms() {
		usages = append(usages, form.Usage)
	}
	last := len(usages) - 1
	return strings.Join(usages[:last], ", ") + " or " + usages[last]
}

// Meaning says in words and with the actual numbers what the policy does:
// "80 % of packets relayed, 20 % dropped".
func (p Policy) Meaning() string {
	given := p.given()
	if len(given) == 1 {
		return given[0].settings(&p).meaning().alone
	}
	const all = "packets"
	packets := all
	var during []string
	for i := range given {
		// The packets are those that the stages behind leave, so the last one is first.
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

// Share is how much a stage loses by itself, exactly: Lost of Of. Of is above 0.
type Share struct {
	Lost, Of uint64
	Time     bool // of the time; it is one of the packets only if they come evenly
}

// Shares are what the stages of the policy lose, each of what the others leave. It is
// false if one of the stages cannot say.
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
