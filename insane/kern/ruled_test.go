package kern

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/match"
)

// ruled is a list of rules in the kernel, and the same list in Go.
type ruled struct {
	*carrier
	rules []*ruleUnder
	own   policy.Program // of what fits no rule
	index *match.Index
	as    Rules
}

// ruleUnder is a rule under test.
type ruleUnder struct {
	text    string
	match   match.Match
	program policy.Program
	number  Numbering
	account Account
	slot    int
	does    doing
}

// doing is what the kernel was told of a rule.
type doing int

const (
	carried doing = iota
	leftToRelay
	untold
)

// newRuled makes random rules. They follow other rules, so that places in the index have moved.
func newRuled(t *testing.T, c *carrier, r *rand.Rand) *ruled {
	u := &ruled{carrier: c, own: programOf(t, []string{"pass", "percent 50", "delay 10ms"}[r.IntN(3)], r.Uint64())}
	var all, before []match.Match
	var places []int32
	for range 1 + r.IntN(12) {
		rule := &ruleUnder{text: anyMatch(r), slot: NoSlot}
		rule.program = programOf(t, ruledPolicies[r.IntN(len(ruledPolicies))], r.Uint64())
		rule.match, _ = match.Parse(strings.Fields(rule.text))
		u.rules, all = append(u.rules, rule), append(all, rule.match)
		u.as.NameNeighbours = u.as.NameNeighbours || rule.match.NamesNeighbours()
		place := int32(match.None)
		if r.IntN(3) > 0 {
			place = int32(len(before))
			before = append(before, rule.match)
		}
		places = append(places, place)
		if other, _ := match.Parse(strings.Fields(anyMatch(r))); r.IntN(3) == 0 {
			before = append(before, other)
		}
	}
	for i := range r.IntN(2) * 80 { // so many that the index keeps its first layer
		m, err := match.Parse(strings.Fields(fmt.Sprint("src port 7 dst port ", 2000+i)))
		must(t, err)
		u.rules = append(u.rules, &ruleUnder{text: m.String(), match: m, program: u.own, slot: NoSlot})
		all, places, before = append(all, m), append(places, int32(len(before))), append(before, m)
	}
	u.index = match.NewIndex(before).Next(all, places)
	if layers := u.index.Layers(); len(layers[0].Tuples())+len(layers[1].Tuples()) > maxTuples {
		u.index = match.NewIndex(all)
	}
	u.tell(r)
	return u
}

func programOf(t *testing.T, text string, seed uint64) policy.Program {
	t.Helper()
	p, err := policy.Parse(text)
	must(t, err)
	return p.Compile(0, seed)
}

// tell tells the kernel of the rules.
func (u *ruled) tell(r *rand.Rand) {
	d := u.direction
	u.as.Version, u.as.Index, u.as.Left = r.Uint64(), u.index, !d.Knows(u.own.Stages)
	must(u.t, d.OpenRules(u.own, u.to, u, u.as))
	for place, rule := range u.rules {
		switch {
		case !d.Knows(rule.program.Stages):
			rule.does = leftToRelay
			if !d.Leave(u.as.Version, place) {
				u.t.Fatal("the kernel was not told of a rule")
			}
		case r.IntN(8) == 0:
			rule.does = untold
		default:
			rule.number, _ = d.TakeNumbering()
			rule.number.Next.Store(r.Uint64N(1 << 30))
			told := false
			rule.slot, told = d.Carry(Carried{
				Version: u.as.Version, Place: place, Program: rule.program, Numbering: rule.number, Owner: rule, Account: &rule.account,
			}, NoSlot)
			if rule.slot == NoSlot || !told {
				u.t.Fatal("no room for a rule")
			}
		}
	}
}

// retire gives back what the rules have.
func (u *ruled) retire() {
	for _, rule := range u.rules {
		u.direction.Retire(rule.slot)
		u.direction.RetireNumbering(rule.number)
	}
}

// find returns the rule of a frame; nil: it fits none. ok is false if the packets of a super-frame
// belong to several.
func (u *ruled) find(f frame.Frame, l *frame.Layout) (rule *ruleUnder, ok bool) {
	n := l.Packets()
	key := frame.Key(f)
	place, there := u.index.Lookup(&key, uint32(l.Bytes(n-1, n)))
	if n > 1 {
		key = frame.EarlierKey(key)
		if p, th := u.index.Lookup(&key, uint32(l.Bytes(0, 1))); p != place || th != there {
			return nil, false
		}
	}
	if !there {
		return nil, true
	}
	return u.rules[place], true
}

// expected is what the fast path does with a frame, and the counter that it takes numbers from.
func (u *ruled) expected(f frame.Frame) (is outcome, l frame.Layout, next interface{ Load() uint64 }, account *Account) {
	l, err := frame.Inspect(f)
	switch {
	case err != nil, isESP(f):
		return undecided, l, nil, nil
	case frame.Neighbour(f) && u.as.NameNeighbours:
		return undecided, l, nil, nil
	case frame.Neighbour(f):
		return spared, l, nil, nil
	}
	rule, ok := u.find(f, &l)
	switch {
	case !ok, rule != nil && rule.does != carried, rule == nil && u.as.Left:
		return undecided, l, nil, nil
	case rule == nil:
		is, l = outcomeOf(&u.own, 0, u.next.Load(), f)
		return is, l, u.next, nil
	}
	is, l = outcomeOf(&rule.program, 0, rule.number.Next.Load(), f)
	return is, l, rule.number.Next, &rule.account
}

// isESP reports whether the kernel may encrypt a frame later: see encrypts_later.
func isESP(f frame.Frame) bool {
	e := f[frame.HeaderLen:]
	switch binary.BigEndian.Uint16(e[12:]) {
	case unix.ETH_P_IP:
		return e[14+9] == unix.IPPROTO_ESP
	case unix.ETH_P_IPV6:
		return e[14+6] == unix.IPPROTO_ESP
	}
	return false
}

// check runs the fast path on a frame.
func (u *ruled) check(s sample, f frame.Frame) outcome {
	u.t.Helper()
	want, l, next, account := u.expected(f)
	var first, counted uint64
	if next != nil {
		first = next.Load()
	}
	count := func() uint64 {
		if account == nil {
			return 0
		}
		all, own := u.direction.CountsOfRule(account, nil)
		if own != (Counts{}) {
			u.t.Errorf("counts of an owner that is not there: %+v", own)
		}
		return all.RelayedPackets + all.DroppedPackets
	}
	counted = count()
	act, err := u.bpf.TransmitClsact.Run(u.options(s, f))
	must(u.t, err)
	taken := uint64(0)
	if next != nil {
		taken = next.Load() - first
	}
	is := map[uint32]outcome{actUnspec: undecided, actRedirect: relayed, actStolen: dropped}[act]
	if want == spared && is == relayed {
		is = spared
	}
	if is != want || taken != is.numbers(l) || account != nil && count()-counted != taken {
		var texts []string
		for i, rule := range u.rules {
			texts = append(texts, fmt.Sprint(i, ": ", rule.text, " ", rule.program.Stages, " ", rule.does))
		}
		u.t.Fatalf("%v (%d numbers, %d counted), want %v (%d)\n% x\n%+v\n%s", is, taken, count()-counted, want, want.numbers(l),
			[]byte(f), s, strings.Join(texts, "\n"))
	}
	return is
}

const actStolen = 4
