package crash

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// foreigners are filters that other programs may have at ingress and egress of a slave. The
// device must not touch them.
var foreigners = []struct {
	name  string
	setUp []string // commands of tc
}{
	{"nothing", nil},
	{"clsact", []string{
		"qdisc add dev eth0 clsact",
		"filter add dev eth0 ingress protocol ip pref 1 u32 match ip protocol 253 0xff classid 1:1",
		"filter add dev eth0 ingress protocol all pref 3 u32 match u32 1 0 at 0 classid 1:2",
		"filter add dev eth0 egress protocol ipv6 pref 1 u32 match u32 1 0 at 0 classid 1:3",
	}},
	{"ingress", []string{
		"qdisc add dev eth0 ingress",
		"filter add dev eth0 parent ffff: protocol ip pref 2 u32 match ip protocol 253 0xff classid 1:1",
	}},
}

// TestDeadManLeftovers: on kernels with tcx a daemon that was killed leaves nothing.
// Without tcx it leaves a filter that does nothing, which the next device removes. Neither
// daemon touches filters of other programs.
func TestDeadManLeftovers(t *testing.T) {
	t.Parallel()
	for _, tt := range foreigners {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := labtest.New(t)
			for _, command := range tt.setUp {
				labtest.Run(t, l.Borea, "tc", strings.Fields(command)...)
			}
			testbed.KnowBorea(t, l, "10.9.0.1")
			p := testbed.NewProber(t, l, "10.9.0.4", "10.9.0.1")
			before := testbed.StateOf(t, l.Borea)
			for round := range max(4, testbed.EnvInt(t, "INSANE_KILLS", 0)/len(foreigners)) {
				mode := []string{api.ReceiveAll, api.ReceiveAuto}[round%2]
				i := testbed.Start(t, l, "@insane", slices.Concat(testbed.Furnished, []string{"--receive", mode})...).Ready(t)
				if mode == api.ReceiveAll {
					p.AwaitNow(t, testbed.Device)
				}
				i.Kill()
				dead := p.Next()
				checkLeftovers(t, l, before, len(tt.setUp) > 0)
				backAfter(t, p, dead)
				if round%2 == 1 {
					endDaemon(t, l)
					testbed.SameState(t, l.Borea, before)
				}
			}
			// The name of the next daemon does not matter.
			endDaemon(t, l, "--name", "other")
			testbed.SameState(t, l.Borea, before)
			p.NoneTwice(t)
		})
	}
}

// checkLeftovers checks what a daemon that was just killed has left.
func checkLeftovers(t *testing.T, l *lab.Lab, before testbed.HostState, hasQdisc bool) {
	t.Helper()
	if testbed.HasTCX(t) {
		testbed.SameState(t, l.Borea, before)
		return
	}
	want := []string{"filter eth0 bpf"}
	if !hasQdisc {
		want = append(want, "qdisc eth0 clsact")
	}
	var more []string
	defer func() {
		if !cmp.Equal(want, more) {
			t.Logf("left are %q, want %q", more, want)
		}
	}()
	labtest.Await(t, "nothing but the filter to be left", func() bool {
		more = nil
		for _, line := range testbed.StateNow(t, l.Borea) {
			if !slices.Contains(before, line) {
				what, _, _ := strings.Cut(line, " parent")
				more = append(more, what)
			}
		}
		more = slices.Compact(more) // the kernel lists those of an ingress qdisc for every parent
		return cmp.Equal(want, more)
	})
}

// endDaemon is the complete life of a daemon that takes frames.
func endDaemon(t *testing.T, l *lab.Lab, args ...string) {
	t.Helper()
	d := labtest.StartDaemon(t, l, append([]string{"--slave", lab.Link}, args...)...)
	if n := withholds(t, l.Borea, lab.Link); n != 1 {
		t.Errorf("%d filters on the slave, want one", n)
	}
	if err := d.Stop(); err != nil {
		t.Error(err)
	}
}

// TestDeadManNeighbours: a daemon that starts does not remove the filter of a running
// daemon, and neither does a daemon that ends.
func TestDeadManNeighbours(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	testbed.SecondSubnet(t, l)
	labtest.StartDaemon(t, l, "--name", "first", "--slave", lab.Link, "--address", "10.8.0.1/24")
	testbed.KnowBorea(t, l, "10.8.0.1", "10.9.0.1")
	first := testbed.NewProber(t, l, "10.8.0.2", "10.8.0.1")
	first.AwaitNow(t, "first")
	second := testbed.NewProber(t, l, "10.9.0.2", "10.9.0.1")
	from := first.Next()
	for range testbed.Soak(t, 3) {
		d := labtest.StartDaemon(t, l, "--name", "second", "--slave", lab.Link, "--route", "10.9.0.2")
		if n := withholds(t, l.Borea, lab.Link); n != 2 {
			t.Errorf("%d filters of two devices", n)
		}
		second.AwaitNow(t, "second")
		first.AwaitNow(t, "first")
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
		if n := withholds(t, l.Borea, lab.Link); n != 1 {
			t.Errorf("%d filters of one device", n)
		}
		second.AwaitNow(t, lab.Link)
	}
	to := first.AwaitNow(t, "first")
	alwaysThrough(t, first, from, to, "first")
	if missing := first.Missing(from, to); len(missing) != 0 {
		t.Errorf("these packets came nowhere: %v", missing)
	}
	first.NoneTwice(t)
	second.NoneTwice(t)
}

// alwaysThrough fails if one of the packets in [from, to) came through another link.
func alwaysThrough(t testing.TB, p *testbed.Prober, from, to int, name string) {
	t.Helper()
	index := labtest.LinkOf(t, p.To, name).Attrs().Index
	p.Mu.Lock()
	defer p.Mu.Unlock()
	for n, via := range p.Via[from:to] {
		if len(via) > 0 && via[0] != index {
			t.Errorf("packet %d came through link %d, want %s, which is %d", from+n, via[0], name, index)
		}
	}
}
