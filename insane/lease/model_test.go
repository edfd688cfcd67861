package lease

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// state is a device without leases: a value of each member but the rules, and these as texts.
type state struct {
	values map[string]string
	rules  []string
}

func (s state) clone() state {
	values := make(map[string]string)
	for member, value := range s.values {
		values[member] = value
	}
	return state{values, slices.Clone(s.rules)}
}

// model is two states, and when a member of the first becomes that of the second. It looks at
// each member in each millisecond.
type model struct {
	now         int // milliseconds
	force, back state
	ends        map[string]int // absent: the member has no lease
	confirm     map[string]int // absent: it waits for no confirmation
}

const never = -1

// tick lets a millisecond pass.
func (m *model) tick() {
	m.now++
	for _, member := range api.Members() {
		ends, leased := m.ends[member]
		confirm, waits := m.confirm[member]
		if leased && (ends == m.now || waits && confirm == m.now) {
			m.force.values[member] = m.back.values[member]
			if member == api.MemberRules {
				m.force.rules = slices.Clone(m.back.rules)
			}
			m.end(member)
		}
	}
}

func (m *model) end(member string) {
	delete(m.ends, member)
	delete(m.confirm, member)
}

// term notes when a member ends that a change with a lease has set.
func (m *model) term(member string, span, confirm int) {
	m.end(member)
	m.ends[member] = never
	if span > 0 {
		m.ends[member] = m.now + span
	}
	if confirm > 0 {
		m.confirm[member] = m.now + confirm
	}
}

func (m *model) set(member, value string, span, confirm int) {
	m.force.values[member] = value
	if span+confirm == 0 {
		m.back.values[member] = value
		m.end(member)
		return
	}
	m.term(member, span, confirm)
	if value == m.back.values[member] {
		m.end(member)
	}
}

// edit carries an edit of the rules out: verb is add, set, del or load, and text a rule or a
// name, or what the rules are.
func (m *model) edit(verb, name string, after []string, span, confirm int) {
	m.force.rules = after
	if span+confirm > 0 {
		m.term(api.MemberRules, span, confirm)
		return
	}
	if _, leased := m.ends[api.MemberRules]; !leased || verb == "load" {
		m.back.rules = slices.Clone(after)
		m.end(api.MemberRules)
		return
	}
	at := slices.IndexFunc(m.back.rules, named(name))
	switch {
	case verb == "del" && at >= 0:
		m.back.rules = slices.Delete(m.back.rules, at, at+1)
	case verb == "del":
	case verb == "set" && at >= 0:
		policies := after[slices.IndexFunc(after, named(name))]
		m.back.rules[at] = policies
	default:
		if at >= 0 {
			m.back.rules = slices.Delete(m.back.rules, at, at+1)
		}
		place := slices.IndexFunc(after, named(name))
		to := len(m.back.rules)
		for i := len(after) - 1; i > place; i-- { // the last one that is found is the first behind it
			if j := slices.IndexFunc(m.back.rules, func(r string) bool { return nameOf(r) == nameOf(after[i]) }); j >= 0 {
				to = j
			}
		}
		m.back.rules = slices.Insert(m.back.rules, to, after[place])
	}
}

func nameOf(rule string) string { name, _, _ := strings.Cut(rule, ":"); return name }

func named(name string) func(string) bool {
	return func(rule string) bool { return nameOf(rule) == name }
}

// confirmAll keeps what waits. It returns false if nothing does.
func (m *model) confirmAll() (any bool) {
	for _, member := range api.Members() {
		if _, waits := m.confirm[member]; !waits {
			continue
		}
		any = true
		delete(m.confirm, member)
		if m.ends[member] == never {
			m.end(member)
			m.back.values[member] = m.force.values[member]
			if member == api.MemberRules {
				m.back.rules = slices.Clone(m.force.rules)
			}
		}
	}
	return any
}

// device is what has leases: the state in force, as a device has it.
type device struct {
	info   api.Info
	rules  policy.Rules
	leases Leases
	now    policy.Time
}

// expire is what a device does when the time of a lease comes.
func (d *device) expire() {
	due, rest := d.leases.Expire(d.now)
	d.leases = rest
	c, rules := due.Return()
	d.apply(c)
	if rules != nil {
		d.rules, d.info.Rules = rules, len(rules)
	}
}

func (d *device) apply(c api.Change) {
	for to, from := range map[*string]*string{
		&d.info.Slave: c.Slave, &d.info.Receive: c.Receive, &d.info.TX.Policy: c.TX, &d.info.RX.Policy: c.RX,
	} {
		if from != nil {
			*to = *from
		}
	}
	if seed, err := c.WantedSeed(); err != nil {
		panic(err)
	} else if seed != nil {
		d.info.Seed = *seed
	}
	if c.JudgeNeighbours != nil {
		d.info.JudgeNeighbours = *c.JudgeNeighbours
	}
}

// change carries out a change, and keeps its leases.
func (d *device) change(c api.Change) error {
	term, err := c.Term()
	if err != nil {
		return err
	}
	before := d.info
	d.apply(c)
	d.leases = d.leases.Change(Moves(c, before, d.info), term, d.now)
	return nil
}

func (d *device) edit(c api.RulesChange, after policy.Rules) error {
	term, err := c.Term()
	if err != nil {
		return err
	}
	next := d.leases.Change([]Move{{Member: api.MemberRules, From: Count(len(d.rules)), Rules: d.rules}}, term, d.now)
	if term == (api.Term{}) {
		if next, err = d.leases.Edit(c, after); err != nil {
			return err
		}
	}
	d.rules, d.info.Rules, d.leases = after, len(after), next
	return nil
}

// texts returns rules as the model has them.
func texts(rules policy.Rules) (list []string) {
	for _, r := range rules {
		list = append(list, r.Name+": "+r.TX.String())
	}
	return list
}

// value returns a value of a member, one of few.
func value(member string, n int) string {
	n %= 3
	switch member {
	case api.MemberSlave:
		return []string{"", "eth0", "eth1"}[n]
	case api.MemberReceive:
		return api.ReceiveModes()[n]
	case api.MemberSeed:
		return []string{"1", "2", "18446744073709551615"}[n]
	case api.MemberJudgeNeighbours:
		return strconv.FormatBool(n == 0)
	}
	return []string{"pass", "percent 50", "percent 80"}[n]
}

func start() (*model, *device) {
	d := &device{now: 1_000_000_000}
	m := &model{ends: map[string]int{}, confirm: map[string]int{}, force: state{values: map[string]string{}}}
	c := api.Change{}
	for _, member := range api.Members()[:6] {
		m.force.values[member] = value(member, 0)
		setMember(&c, member, value(member, 0))
	}
	d.apply(c)
	m.back = m.force.clone()
	return m, d
}

func setMember(c *api.Change, member, text string) {
	one, _ := Leases{{Member: member, To: text}}.Return()
	switch member {
	case api.MemberSlave:
		c.Slave = one.Slave
	case api.MemberReceive:
		c.Receive = one.Receive
	case api.MemberTX:
		c.TX = one.TX
	case api.MemberRX:
		c.RX = one.RX
	case api.MemberSeed:
		c.SeedText = one.SeedText
	case api.MemberJudgeNeighbours:
		c.JudgeNeighbours = one.JudgeNeighbours
	}
}

// span returns the text of a time in milliseconds; nil for 0.
func span(ms int) *string {
	if ms == 0 {
		return nil
	}
	text := (time.Duration(ms) * time.Millisecond).String()
	return &text
}

// play carries out what the bytes say, four of them for each step, on the model and on what is
// tested, and compares them after each step.
func play(t *testing.T, steps []byte) {
	m, d := start()
	for ; len(steps) >= 4; steps = steps[4:] {
		what := step(t, m, d, steps)
		compare(t, what, m, d)
		if t.Failed() {
			return
		}
	}
}

// step carries out one step and says what it was.
func step(t *testing.T, m *model, d *device, b []byte) string {
	verb, which, a, times := int(b[0]%8), int(b[1]), int(b[2]), int(b[3])
	ends, confirm := times%5*3, times/16%4*2
	switch verb {
	case 0, 1, 2: // a change of some members, at least one
		c := api.Change{For: span(ends), Confirm: span(confirm)}
		for i, member := range api.Members()[:6] {
			if which>>i&1 == 1 || i == which%6 {
				text := value(member, a+i)
				setMember(&c, member, text)
				m.set(member, text, ends, confirm)
			}
		}
		if err := d.change(c); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("change %b for %d confirm %d", which, ends, confirm)
	case 3, 4:
		c, after := editOf(d.rules, which, a)
		if c == (api.RulesChange{}) {
			return "nothing"
		}
		c.For, c.Confirm = span(ends), span(confirm)
		word, name := "load", ""
		switch {
		case c.Add != nil:
			word, name = "add", firstWord(*c.Add)
		case c.Set != nil:
			word, name = "set", firstWord(*c.Set)
		case c.Delete != nil:
			word, name = "del", *c.Delete
		}
		m.edit(word, name, texts(after), ends, confirm)
		if err := d.edit(c, after); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s %s for %d confirm %d", word, name, ends, confirm)
	case 5:
		next, waited := d.leases.Confirmed()
		d.leases = next
		if any := m.confirmAll(); any != (len(waited) > 0) {
			t.Errorf("%d leases have waited, in the model %v", len(waited), any)
		}
		return "confirm"
	default:
		for range 1 + a%6 {
			m.tick()
			d.now += 1_000_000
			d.expire()
		}
		return fmt.Sprintf("wait %d", 1+a%6)
	}
}

// editOf makes an edit that is possible in rules, and what they are after it.
func editOf(rules policy.Rules, which, a int) (c api.RulesChange, after policy.Rules) {
	name := string(rune('a' + which%4))
	text := fmt.Sprintf("%s udp port %d tx percent %d", name, 1+which%4, a%50)
	var err error
	switch which / 4 % 4 {
	case 0:
		c.Add = &text
		before := ""
		if len(rules) > 0 && a%2 == 0 {
			before = rules[a%len(rules)].Name
			c.Before = &before
		}
		rule, e := policy.ParseRule(strings.Fields(text))
		if e != nil {
			panic(e)
		}
		after, err = rules.Add(rule, before)
	case 1:
		set := fmt.Sprintf("%s tx percent %d", name, a%50)
		c.Set = &set
		rule, e := policy.ParsePolicies(strings.Fields(set))
		if e != nil {
			panic(e)
		}
		after, err = rules.Set(name, rule.TX, nil)
	case 2:
		c.Delete = &name
		after, err = rules.Delete(name)
	default:
		load := strings.Replace(text, name, name+":", 1)
		c.Load = &load
		after, err = policy.ParseRules(load, "rules")
	}
	if err != nil {
		return api.RulesChange{}, nil
	}
	return c, after
}

// compare fails unless both have the same state in force, would return to the same, at the same
// time.
func compare(t *testing.T, what string, m *model, d *device) {
	t.Helper()
	for _, member := range api.Members()[:6] {
		l, leased := d.leases.Find(member)
		to := Value(d.info, member)
		if leased {
			to = l.To
		}
		if got := Value(d.info, member); got != m.force.values[member] || to != m.back.values[member] {
			t.Errorf("%s: %s is %q and returns to %q, want %q and %q", what, member, got, to, m.force.values[member], m.back.values[member])
		}
	}
	back := d.rules
	if l, leased := d.leases.Find(api.MemberRules); leased {
		if back = l.Rules; l.To != Count(len(back)) {
			t.Errorf("%s: returns to %s, it has %d", what, l.To, len(back))
		}
	}
	if !slices.Equal(texts(d.rules), m.force.rules) || !slices.Equal(texts(back), m.back.rules) {
		t.Errorf("%s: rules %q return to %q, want %q and %q", what, texts(d.rules), texts(back), m.force.rules, m.back.rules)
	}
	for _, l := range d.leases {
		ends, leased := m.ends[l.Member]
		confirm, waits := m.confirm[l.Member]
		want := Never
		if ends != never {
			want = 1_000_000_000 + policy.Time(ends)*1_000_000
		}
		wantConfirm := Never
		if waits {
			wantConfirm = 1_000_000_000 + policy.Time(confirm)*1_000_000
		}
		if !leased || l.Ends != want || l.Confirm != wantConfirm || l.Due() <= d.now || l.Due() == Never {
			t.Errorf("%s: %+v, want %v %v", what, l, want, wantConfirm)
		}
	}
	if len(d.leases) != len(m.ends) {
		t.Errorf("%s: %d leases, want %d", what, len(d.leases), len(m.ends))
	}
}

// Leases do the same as two states that are kept apart.
func TestLeasesAreTwoStates(t *testing.T) {
	for seed := range uint64(2_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		steps := make([]byte, 4*60)
		for i := range steps {
			steps[i] = byte(r.Uint32())
		}
		if play(t, steps); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// The same for whatever comes.
func FuzzLease(f *testing.F) {
	f.Add([]byte{0, 255, 1, 1, 6, 0, 2, 0, 1, 4, 2, 0, 5, 0, 0, 0, 6, 0, 5, 0})
	f.Add([]byte{3, 0, 1, 0, 3, 1, 3, 1, 4, 5, 7, 0, 3, 9, 0, 0, 3, 2, 0, 0, 3, 12, 0, 17, 6, 0, 5, 0})
	f.Add([]byte{0, 1, 1, 16, 0, 1, 2, 2, 5, 0, 0, 0, 6, 0, 5, 0, 0, 1, 1, 17, 5, 0, 0, 0, 6, 0, 5, 0})
	f.Fuzz(func(t *testing.T, steps []byte) { play(t, steps[:min(len(steps), 400)]) })
}
