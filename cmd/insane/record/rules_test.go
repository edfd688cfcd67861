package record

import (
	"context"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// TestRules: the entries of the packets of each rule are what is counted for it, and a recording of
// one rule has no other's. A filter for what is lost leaves out the rest.
func TestRules(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		d := directionOf(b)
		text := "small: less 300 " + d.String() + " percent 70 delay 1ms\nbig: greater 1000 " + d.String() + " exactly 1 of 3\n"
		if _, err := b.Daemon.Client.ChangeRules(context.Background(), api.RulesChange{Load: &text}); err != nil {
			t.Fatal(err)
		}
		_, a := b.Begin(t, "percent 50", 5)
		before := rulesOf(t, b)
		all := record(t, b.Daemon, d, ledger.Filter{})
		big := record(t, b.Daemon, d, ledger.Filter{Rule: "big", Snaplen: 60})
		lost := record(t, b.Daemon, d, ledger.Filter{Lost: true})
		f := b.NewFlow(t, 4)
		const packets = 2 * testbed.Window
		for from := 0; from < packets; from += testbed.Window {
			f.SendPlain(t, testbed.Cargo{Size: func(i int) int { return testbed.Sequence + i*5%1400 }}, from, from+testbed.Window)
			a.Settle(t, from+testbed.Window)
		}
		for _, rule := range []string{"small", "big", policy.DefaultRule} {
			name := rule
			if rule == policy.DefaultRule {
				name = ""
			}
			all.match(t, name, false, func() sums { return rulesOf(t, b)[rule].since(before[rule]) })
		}
		if n := all.verdicts(t); n != packets {
			t.Errorf("%d packets were judged, %d sent", n, packets)
		}
		all.once(t)
		big.match(t, "", true, func() sums { return all.sums("big", false) })
		big.end()
		for _, e := range big.entries {
			if e.Rule != "big" || len(e.Bytes) != 60 {
				t.Fatalf("an entry of rule %q with %d bytes", e.Rule, len(e.Bytes))
			}
		}
		lost.match(t, "", true, func() sums {
			s := all.sums("", true)
			return sums{Offered: s.Dropped[api.DropPolicy], Dropped: s.Dropped, Stages: s.Stages, Marked: s.Marked}
		})
		lost.end()
		for _, e := range lost.entries {
			if !e.Lost() {
				t.Fatalf("an entry of what is not lost: %+v", e)
			}
		}
	})
}

// rulesOf returns the counters of each rule.
func rulesOf(t *testing.T, b *testbed.Bed) map[string]sums {
	t.Helper()
	rules, err := b.Daemon.Client.Rules(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	of := make(map[string]sums)
	for _, rule := range rules {
		d := rule.TX
		if b.Receiving() {
			d = rule.RX
		}
		of[rule.Name] = sumsOf(d.Stats)
	}
	return of
}

// TestVerdictsStay: a recording that begins and ends in the middle of a flow changes no verdict, and
// loses, doubles and reorders nothing, although the packets change their path. Behind the last
// recording the kernel carries again.
func TestVerdictsStay(t *testing.T) {
	t.Parallel()
	b := testbed.New(t, api.PathKernel)
	program, a := b.Begin(t, "percent 70", 11)
	f := b.NewFlow(t, 4)
	var recordings []*book
	cargo := testbed.Cargo{Count: 12 * testbed.Window, Size: testbed.Always(100)}
	cargo.Send = func(from, to int) {
		switch from / testbed.Window {
		case 3, 5:
			recordings = append(recordings, record(t, b.Daemon, policy.TX, ledger.Filter{}))
		case 7:
			recordings[0].has(t, 2*testbed.Window)
			recordings[0].end()
		case 9:
			recordings[1].has(t, 2*testbed.Window)
			recordings[1].end()
			b.AwaitState(t, func(i api.Info) bool { return i.TX.Path == api.PathKernel })
		}
		f.SendPlain(t, cargo, from, to)
	}
	f.Carry(t, a, program, cargo)
	for i, r := range recordings {
		if n := r.verdicts(t); n < testbed.Window {
			t.Errorf("recording %d has %d packets", i, n)
		}
	}
	labtest.Await(t, "the kernel to carry", func() bool {
		i := labtest.Info(t, b.Daemon)
		return i.TX.Path == api.PathKernel && i.TX.PathReason == ""
	})
}
