package rules

import (
	"fmt"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// judged is a bed whose packets a rule judges.
type judged struct {
	*testbed.Bed
	name string // of the rule
}

// program returns what the engine says of the packets of the rule.
func (j judged) program(t testing.TB, text string, seed uint64) *policy.Program {
	t.Helper()
	p, err := policy.Parse(text)
	labtest.Must(t, err)
	if j.Receiving() {
		seed = policy.Subseed(seed, 0)
	}
	if j.name != api.DefaultRule {
		seed = policy.RuleSeed(seed, j.name)
	}
	program := p.Compile(0, seed)
	return &program
}

// stats returns the counters of the rule in the packets' direction.
func (j judged) stats(t testing.TB) api.Stats {
	t.Helper()
	rule := rulesOf(t, j.Bed)[j.name]
	d := rule.TX
	if j.Receiving() {
		d = rule.RX
	}
	if d == nil {
		t.Fatalf("there is no rule %s in this direction", j.name)
	}
	return d.Stats
}

// afterOne makes a cargo wait until the relay has met its first packet: from then on the kernel knows
// what to do with the rule.
func (j judged) afterOne(t testing.TB, f *testbed.Flow, c testbed.Cargo) testbed.Cargo {
	plain := c
	c.Send = func(from, to int) {
		if from == 0 {
			f.SendPlain(t, plain, 0, 1)
			labtest.Await(t, "the first packet of the rule", func() bool { return j.stats(t).Offered.Packets == 1 })
			from = 1
		}
		f.SendPlain(t, plain, from, to)
	}
	return c
}

// TestRulesOnTheWire: exactly those packets arrive that the engine relays with the rule's own
// draws and numbers, in both directions and on both paths, with super-frames and without; the
// counters of the rule say the same. The policy of the direction loses everything else.
func TestRulesOnTheWire(t *testing.T) {
	t.Parallel()
	testbed.EachPath(t, func(t *testing.T, path string) {
		there := testbed.New(t, path)
		for _, b := range []*testbed.Bed{there, there.Back()} {
			for _, family := range []int{4, 6} {
				b.Path = path
				name := map[bool]string{false: "tx", true: "rx"}[b.Receiving()]
				t.Run(fmt.Sprintf("%s/IPv%d", name, family), func(t *testing.T) { flowOfARule(t, b, family) })
			}
		}
	})
}

func flowOfARule(t *testing.T, b *testbed.Bed, family int) {
	const seed, text, count = 31, "percent 60", 10_000
	for _, size := range []int{0, testbed.Segment} {
		f := b.NewFlow(t, family)
		port := f.In.LocalAddr().(*net.UDPAddr).Port
		load(t, b, "") // the counters of a rule begin with its name
		load(t, b, fmt.Sprintf("other: tcp both percent 0\nflow: udp dst port %d both %s\n", port, text))
		j := judged{b, "flow"}
		_, a := b.Begin(t, "percent 0", seed)
		cargo := testbed.Cargo{Count: count, Size: testbed.Always(200)}
		if size != 0 {
			testbed.SetOption(t, f.Out, unix.SOL_UDP, unix.UDP_SEGMENT, size)
			list := testbed.Supers(count)
			cargo.Size, cargo.Send = list.Size, func(from, to int) { list.Send(t, f, from, to) }
		}
		got := f.Carry(t, a, j.program(t, text, seed), cargo)
		if s := j.stats(t); s.Offered.Packets != count || s.Relayed.Packets != uint64(got) || s.Stages["percent"].Packets != uint64(count-got) {
			t.Errorf("%d of %d packets came; the rule says %+v", got, count, s)
		}
	}
}

// TestRulesMix: flows to several ports at once, each with its rule; the packets of one rule
// move no verdict of another. The rest meets the policy of the direction.
func TestRulesMix(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	const seed, each = 5, 4000
	texts := []string{"percent 90", "every 3", "percent 20", "pass"}
	flows := make([]*testbed.Flow, len(texts))
	rules := ""
	for i := range flows {
		flows[i] = b.NewFlow(t, 4)
		if port := flows[i].In.LocalAddr().(*net.UDPAddr).Port; i < len(texts)-1 {
			rules += fmt.Sprintf("flow%d: dst port %d tx %s\n", i, port, texts[i])
		}
	}
	load(t, b, rules)
	_, a := b.Begin(t, texts[len(texts)-1], seed)
	cargo := testbed.Cargo{Count: each, Size: testbed.Always(64)}
	for from := 0; from < each; from += 50 {
		for _, f := range flows {
			f.SendPlain(t, cargo, from, from+50)
		}
		a.Await(t, (from+50)*len(flows))
	}
	for i, f := range flows {
		j := judged{b, fmt.Sprintf("flow%d", i)}
		if i == len(texts)-1 {
			j.name = api.DefaultRule
		}
		program := j.program(t, texts[i], seed)
		want := uint64(each) - testbed.Drops(program, each)
		labtest.Await(t, "the packets", func() bool { return a.Stats(t).Relayed.Packets > 0 })
		if s := j.stats(t); s.Offered.Packets != each || s.Relayed.Packets != want {
			t.Errorf("%s, %s: offered %d, relayed %d, the engine says %d", j.name, texts[i], s.Offered.Packets, s.Relayed.Packets, want)
		}
		_ = f
	}
}
