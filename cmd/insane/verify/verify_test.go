package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/insanely/verify"
)

// length is how long verify watches.
func length(t *testing.T, short time.Duration) string {
	if testbed.Long(t) {
		return "20s"
	}
	return short.String()
}

// fine fails unless nothing differs.
func fine(t *testing.T, b *testbed.Bed, args ...string) verify.Report {
	t.Helper()
	r, code, said := watch(t, b, args...)
	t.Logf("%s%s", r, said)
	if code != 0 || r.Differs != 0 {
		t.Errorf("exit code %d, %d lines differ", code, r.Differs)
	}
	return r
}

// ok fails unless these lines are there for both directions and ok.
func ok(t *testing.T, r verify.Report, rule string, stages ...string) {
	t.Helper()
	for _, direction := range []string{"tx", "rx"} {
		for _, stage := range stages {
			if l := line(t, r, direction, rule, stage); l.Verdict != verify.OK {
				t.Errorf("%s %s %s is %s: %+v", direction, rule, stage, l.Verdict, l)
			}
		}
	}
}

// Losses are right on either path and in both directions, and the witness does not change the path.
func TestLosses(t *testing.T) {
	for _, path := range []string{api.PathKernel, api.PathRelay} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			b := testbed.New(t, path)
			var flows []*flow
			for i, way := range bothWays(b) {
				flows = append(flows, newFlow(t, way, []int{4, 6}[i], 300))
			}
			policy := "percent 95"
			labtest.Set(t, b.Daemon, api.Change{TX: &policy, RX: &policy})
			stop := run(t, 16, flows...)
			defer stop()
			r := fine(t, b, "--for", length(t, 2*time.Second))
			for more := 4 * time.Second; r.Few > 0 && more < time.Minute; more *= 2 { // the machine is busy
				r = fine(t, b, "--for", more.String())
			}
			if i := labtest.Info(t, b.Daemon); i.Path != path || r.Path != path {
				t.Errorf("the path is %s: %s", i.Path, i.PathReason)
			}
			ok(t, r, api.DefaultRule, "percent", "order")
			ok(t, r, "", "counter offered", "counter relayed")
		})
	}
}

// stories are rules, each with its own flow, that ask for something else than losses.
var stories = []struct{ name, policy, told string }{
	{"runs", "percent 90 run 3", "percent 90"},
	{"each3", "every 3", "every 4"},
	{"held", "delay 8ms", "delay 10ms"},
	{"drawn", "delay 10ms jitter 5ms each reordering", "delay 10ms jitter 9ms each reordering"},
	{"twice", "duplicate 20", "duplicate 40"},
	{"bad", "corrupt 20", "corrupt 40"},
	{"moved", "reorder 20 by 2", "reorder 40 by 2"},
	{"plain", "pass", "percent 90"},
}

// ruled adds the rules, and returns their flows.
func ruled(t *testing.T, b *testbed.Bed) (flows []*flow) {
	t.Helper()
	for i, s := range stories {
		for k, way := range bothWays(b) {
			f := newFlow(t, way, 4, 200)
			flows = append(flows, f)
			direction := []string{"tx", "rx"}[k]
			rule := fmt.Sprintf("%s-%s udp dst port %d %s %s", s.name, direction, f.port, direction, s.policy)
			if _, err := b.Daemon.Client.ChangeRules(context.Background(), api.RulesChange{Add: &rule}); err != nil {
				t.Fatalf("rule %d: %v", i, err)
			}
		}
	}
	return flows
}

// exact returns the lines of the rules of which each packet is checked, in both directions.
func exact(t *testing.T, r verify.Report) (lines []verify.Line) {
	t.Helper()
	for _, direction := range []string{"tx", "rx"} {
		for rule, stage := range map[string]string{"held": "delay", "each3": "every", "plain": "no loss", "twice": "no loss"} {
			lines = append(lines, line(t, r, direction, rule+"-"+direction, stage))
		}
	}
	return lines
}

// Each of many rules does as it was asked, in both directions at once.
func TestRules(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	stop := run(t, 3, ruled(t, b)...)
	defer stop()
	r := fine(t, b, "--for", length(t, 1200*time.Millisecond))
	few := func(l verify.Line) bool { return l.Verdict == verify.Few }
	for more := 4 * time.Second; slices.ContainsFunc(exact(t, r), few) && more < time.Minute; more *= 2 { // the machine is busy
		r = fine(t, b, "--for", more.String())
	}
	for _, l := range exact(t, r) {
		if l.Verdict != verify.OK {
			t.Errorf("%s is %s: %+v", l.Rule, l.Verdict, l)
		}
	}
	lies(t, b)
}

// The rate of a link that has more to carry than it can.
func TestRate(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	f := newFlow(t, b, 4, 1000)
	policy := "rate 10mbit queue 50ms delay 5ms"
	labtest.Set(t, b.Daemon, api.Change{TX: &policy})
	stop := run(t, 8, f) // 32 Mbit/s
	defer stop()
	r := fine(t, b, "--for", length(t, 1200*time.Millisecond))
	for _, stage := range []string{"delay", "order"} {
		if l := line(t, r, "tx", api.DefaultRule, stage); l.Verdict != verify.OK {
			t.Errorf("%s is %s: %+v", stage, l.Verdict, l)
		}
	}
	// A sender that has the processor too seldom does not keep the link full.
	if l := line(t, r, "tx", api.DefaultRule, "rate"); l.Verdict != verify.OK && testbed.Long(t) {
		t.Errorf("rate is %s: %+v", l.Verdict, l)
	}
}

// A stream of TCP in super-frames, on either path, from which single packets are lost.
func TestTCP(t *testing.T) {
	for _, path := range []string{api.PathKernel, api.PathRelay} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			b := testbed.New(t, path)
			policy := "percent 97"
			labtest.Set(t, b.Daemon, api.Change{TX: &policy, RX: &policy})
			defer stream(t, b)()
			r := fine(t, b, "--for", length(t, 1200*time.Millisecond))
			for _, direction := range []string{"tx", "rx"} {
				if l := line(t, r, direction, api.DefaultRule, "percent"); l.Packets < 100 {
					t.Errorf("%s: %d packets were seen", direction, l.Packets)
				}
			}
		})
	}
}

// stream sends by TCP, as much as the losses allow but less than a slow machine can, until stop is
// called.
func stream(t *testing.T, b *testbed.Bed) (stop func()) {
	t.Helper()
	var in net.Listener
	var out net.Conn
	err := errors.Join(
		b.To.Do(func() (err error) {
			in, err = net.Listen("tcp", net.JoinHostPort(b.IPv4.String(), "0"))
			return err
		}),
		b.From.Do(func() (err error) {
			out, err = net.Dial("tcp", in.Addr().String())
			return err
		}))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := in.Accept()
		if err == nil {
			_, _ = io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	go func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for buffer := make([]byte, 1<<16); ; <-tick.C {
			if _, err := out.Write(buffer); err != nil {
				return
			}
		}
	}()
	return func() {
		out.Close()
		in.Close()
		<-done
	}
}
