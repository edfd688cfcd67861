package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// foreigners are what others may have in the ingress and egress of a slave, none
// of which is for a device to touch.
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

// TestDeadManLeftovers: on kernels with tcx a daemon that was killed leaves
// nothing. On older ones it leaves a filter, and the clsact qdisc that this needs
// unless there is one. That does nothing, the next device removes it, and neither
// ever touches what is somebody else's.
func TestDeadManLeftovers(t *testing.T) {
	t.Parallel()
	for _, tt := range foreigners {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			for _, command := range tt.setUp {
				run(t, l.Borea, "tc", strings.Fields(command)...)
			}
			knowBorea(t, l, "10.9.0.1")
			p := newProber(t, l, "10.9.0.4", "10.9.0.1")
			before := stateOf(t, l.Borea)
			for round := range max(4, envInt(t, "INSANE_KILLS", 0)/len(foreigners)) {
				mode := []string{api.ReceiveAll, api.ReceiveAuto}[round%2]
				i := start(t, l, "@insane", slices.Concat(furnished, []string{"--receive", mode})...).ready(t)
				if mode == api.ReceiveAll {
					p.awaitNow(t, device)
				}
				i.kill()
				dead := p.next()
				checkLeftovers(t, l, before, len(tt.setUp) > 0)
				p.backAfter(t, dead)
				if round%2 == 1 {
					endDaemon(t, l)
					sameState(t, l.Borea, before)
				}
			}
			// Nor does it matter under what name the next one comes.
			endDaemon(t, l, "--name", "other")
			sameState(t, l.Borea, before)
			p.noneTwice(t)
		})
	}
}

// checkLeftovers looks at what a daemon that was just killed has left.
func checkLeftovers(t *testing.T, l *lab.Lab, before hostState, hasQdisc bool) {
	t.Helper()
	if hasTCX(t) {
		sameState(t, l.Borea, before)
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
	eventually(t, "nothing but the filter to be left", func() bool {
		more = nil
		for _, line := range stateNow(t, l.Borea) {
			if !slices.Contains(before, line) {
				what, _, _ := strings.Cut(line, " parent")
				more = append(more, what)
			}
		}
		more = slices.Compact(more) // the kernel lists those of an ingress qdisc for every parent
		return cmp.Equal(want, more)
	})
}

// endDaemon is the whole life of a daemon that takes frames.
func endDaemon(t *testing.T, l *lab.Lab, args ...string) {
	t.Helper()
	d := newDaemon(t, l, append([]string{"--slave", lab.Link}, args...)...)
	if n := withholds(t, l.Borea, lab.Link); n != 1 {
		t.Errorf("%d filters on the slave, want one", n)
	}
	if err := d.Stop(); err != nil {
		t.Error(err)
	}
}

// TestDeadManNeighbours: a daemon that starts does not take the filter of one
// that lives for a leftover, nor does one that ends.
func TestDeadManNeighbours(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	secondSubnet(t, l)
	newDaemon(t, l, "--name", "first", "--slave", lab.Link, "--address", "10.8.0.1/24")
	knowBorea(t, l, "10.8.0.1", "10.9.0.1")
	first := newProber(t, l, "10.8.0.2", "10.8.0.1")
	first.awaitNow(t, "first")
	second := newProber(t, l, "10.9.0.2", "10.9.0.1")
	from := first.next()
	for range soak(t, 3) {
		d := newDaemon(t, l, "--name", "second", "--slave", lab.Link, "--route", "10.9.0.2")
		if n := withholds(t, l.Borea, lab.Link); n != 2 {
			t.Errorf("%d filters of two devices", n)
		}
		second.awaitNow(t, "second")
		first.awaitNow(t, "first")
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
		if n := withholds(t, l.Borea, lab.Link); n != 1 {
			t.Errorf("%d filters of one device", n)
		}
		second.awaitNow(t, lab.Link)
	}
	to := first.awaitNow(t, "first")
	first.alwaysThrough(t, from, to, "first")
	if missing := first.missing(from, to); len(missing) != 0 {
		t.Errorf("these packets came nowhere: %v", missing)
	}
	first.noneTwice(t)
	second.noneTwice(t)
}
