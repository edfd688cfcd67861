package kern

import (
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/match"
)

// The kernel finds the rule that package match finds, judges as package policy does, and takes
// the numbers of the rule. INSANE_FRAMES is how many frames are tried.
func TestRulesAreTheRelays(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	r := rand.New(rand.NewPCG(11, 12))
	frames := 20_000 / raceDivisor
	if text := os.Getenv("INSANE_FRAMES"); text != "" {
		frames, _ = strconv.Atoi(text)
	}
	var seen [4]int
	for n := 0; n < frames; {
		u := newRuled(t, c, r)
		for range 200 {
			s, f := anyFrame(r)
			seen[u.check(s, f)]++
			n++
		}
		u.retire()
	}
	for is, n := range seen {
		if n < frames/100 {
			t.Errorf("%d frames %v: that is no test", n, outcome(is))
		}
	}
}

// A frame of a rule that is the relay's does not stop the fast path; every other frame that
// enters does, until the relay is done with all before it.
func TestFramesOfTheRelaysRules(t *testing.T) {
	c := newCarrier(t, (*Objects).RX)
	d := c.direction
	backlog, err := d.Register(c.index)
	must(t, err)
	to := func(port byte) (sample, frame.Frame) {
		s := sample{what: "udp", family: 4, protocol: unix.IPPROTO_UDP, payload: 30}
		f := s.build(0)
		f[frame.HeaderLen+14+20+3] = port
		return s, f
	}
	version := uint64(1)
	var all []match.Match
	for _, text := range []string{"dst port 1", "dst port 2", "dst port 3"} {
		m, err := match.Parse(strings.Fields(text))
		must(t, err)
		all = append(all, m)
	}
	rule := &ruleUnder{program: programOf(t, "percent 0", 1)}
	rule.number, _ = d.TakeNumbering()
	carry := func() {
		t.Helper()
		slot, told := d.Carry(Carried{Version: version, Place: 0, Program: rule.program, Numbering: rule.number, Owner: rule, Account: &rule.account}, NoSlot)
		if slot == NoSlot || !told {
			t.Fatal("no room")
		}
	}
	if _, told := d.Carry(Carried{Version: version, Numbering: rule.number, Account: &rule.account}, NoSlot); told || d.Leave(version, 1) {
		t.Error("the kernel was told of rules that are not in force")
	}
	rules := Rules{Version: version, Index: match.NewIndex(all)}
	if smallFilters() { // before Linux 6.7
		if err := d.OpenRules(policy.Program{}, c.to, "own", rules); !errors.Is(err, ErrFilter) {
			t.Errorf("%v, want %v", err, ErrFilter)
		}
		return
	}
	must(t, d.OpenRules(policy.Program{}, c.to, "own", rules))
	carry()
	d.Leave(version, 1)
	run := func(port byte, want bool) {
		t.Helper()
		_, f := to(port)
		data := append(f[frame.HeaderLen:frame.HeaderLen+14:frame.HeaderLen+14], f[frame.HeaderLen:]...)
		kept, err := c.bpf.ReceiveAll.Run(&ebpf.RunOptions{Data: data, Context: c.context()})
		must(t, err)
		if (kept != 0) != want {
			t.Errorf("port %d: to the relay: %v, want %v", port, kept != 0, want)
		}
	}
	run(1, false)
	run(2, true)  // of the relay's rule
	run(1, false) // past it
	run(3, true)  // of a rule of which the kernel was not told
	run(1, true)
	run(2, true)
	backlog.Done(1)
	run(1, true)
	backlog.Done(4)
	run(1, false)
	run(4, false) // of no rule
	// Lost is one of two: nobody knows which.
	run(3, true)
	run(2, true)
	backlog.Lost(1)
	run(1, true)
	backlog.Done(2)
	run(1, false)
	// Other rules wait for all that has entered before.
	run(2, true)
	d.Close()
	version = 2
	rules.Version = version
	must(t, d.OpenRules(policy.Program{}, c.to, "own", rules))
	carry()
	run(1, true)
	backlog.Done(2)
	run(1, false)
	all2, own := d.CountsOfRule(&rule.account, rule)
	if all2 != own || own.DroppedPackets != 5 || own.DroppedPackets != d.Counts().DroppedPackets {
		t.Errorf("%+v, %+v, of %+v; want 5 dropped", all2, own, d.Counts())
	}
	if none := d.CountsOfNone(); none.DroppedPackets != 0 || none.RelayedPackets != d.Counts().RelayedPackets {
		t.Errorf("of no rule: %+v", none)
	}
}
