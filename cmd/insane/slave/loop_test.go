package slave

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"

	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

// TestOwnSlave: a device cannot be its own slave; the error says so.
func TestOwnSlave(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--route", "10.9.0.2", "--policy", "pass")
	testbed.AwaitCarrier(t, l, true)
	before := testbed.StateOf(t, l.Borea)
	out, err := d.Command(context.Background(), "insanely", "insane", "percent", "10").CombinedOutput()
	if err == nil || !strings.Contains(string(out), `"insane"`) || strings.Count(string(out), "\n") != 1 {
		t.Errorf("%v: %s", err, out)
	}
	testbed.SameState(t, l.Borea, before)
	if i := labtest.Info(t, d); i.Slave != "eth0" || i.TX.Policy != "pass" {
		t.Errorf("a refused change changed slave to %q, tx to %q", i.Slave, i.TX.Policy)
	}
	testbed.Relays(t, l, d.Client)
}

// TestChain: devices can be slaves of other devices. A chain that would become a ring is
// refused, no matter how long it is.
func TestChain(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	const length = 3
	var chain []*lab.Daemon
	below := "eth0"
	for i := range length {
		args := []string{"--name", fmt.Sprint("dev", i), "--slave", below, "--address", fmt.Sprintf("10.9.1.%d/32", i)}
		if i == length-1 {
			args = append(args, "--route", "10.9.0.2")
		}
		chain = append(chain, labtest.StartDaemon(t, l, args...))
		below = fmt.Sprint("dev", i)
	}
	top := chain[length-1]
	labtest.Await(t, "carrier through the chain", func() bool { return labtest.Info(t, top).Carrier })
	// The chain has no address to use as source, so it gets the place of eth0's address.
	testbed.Relays(t, l, top.Client)
	before := testbed.StateOf(t, l.Borea)
	for i := range length {
		for j := i; j < length; j++ {
			name := fmt.Sprint("dev", j)
			_, err := chain[i].Client.Set(t.Context(), api.Change{Slave: &name, TX: new("percent 1")})
			if !errors.Is(err, api.ErrLoop) || !strings.Contains(err.Error(), name) {
				t.Errorf("dev%d on %s: %v", i, name, err)
			}
			if now := labtest.Info(t, chain[i]); now.TX.Policy != "pass" || now.SlaveState != api.SlaveUp {
				t.Errorf("dev%d after the refusal: %+v", i, now)
			}
		}
	}
	testbed.SameState(t, l.Borea, before)
	testbed.Relays(t, l, top.Client)
}

// TestRingRace: two devices choose each other at the same moment. At most one succeeds, and
// no frame goes in circles.
func TestRingRace(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	a := labtest.StartDaemon(t, l, "--name", "a", "--slave", "eth0", "--address", "10.9.1.1/32")
	b := labtest.StartDaemon(t, l, "--name", "b", "--slave", "eth0", "--address", "10.9.1.2/32")
	succeeded := 0
	for range testbed.Soak(t, 50) {
		var both sync.WaitGroup
		var errs [2]error
		both.Go(func() { _, errs[0] = a.Client.Set(context.Background(), api.Change{Slave: new("b")}) })
		both.Go(func() { _, errs[1] = b.Client.Set(context.Background(), api.Change{Slave: new("a")}) })
		both.Wait()
		for _, err := range errs {
			if err == nil {
				succeeded++
			} else if !errors.Is(err, api.ErrLoop) {
				t.Fatal(err)
			}
		}
		if errs[0] == nil && errs[1] == nil {
			t.Fatal("two devices are each other's slaves")
		}
		labtest.Set(t, a, api.Change{Slave: new("eth0")})
		labtest.Set(t, b, api.Change{Slave: new("eth0")})
	}
	if succeeded == 0 {
		t.Error("nobody ever succeeded, so nothing was raced")
	}
}

// TestSideBySide: several devices share a slave, and each has its own policy.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	labtest.StartDaemon(t, l, "--name", "none", "--slave", "eth0", "--route", "10.9.0.2", "--policy", "percent 0")
	labtest.StartDaemon(t, l, "--name", "every", "--slave", "eth0", "--route", "10.9.0.4", "--policy", "pass")
	labtest.StartDaemon(t, l, "--name", "half", "--slave", "eth0", "--route", "fd00:9::2", "--policy", "percent 50", "--seed", "1")
	// Neighbour discovery is not measured here.
	labtest.Run(t, l.Borea, "ip", "neigh", "replace", "10.9.0.2", "lladdr", "02:09:00:00:00:02", "dev", "none")
	labtest.Run(t, l.Borea, "ip", "neigh", "replace", "fd00:9::2", "lladdr", "02:09:00:00:00:02", "dev", "half")
	const count = 1000
	lo, hi := probe.Interval(count, 0.5, probe.Alpha)
	for _, tt := range []struct {
		probe       probe.Probe
		least, most int
	}{
		{probe.Probe{Address: l.Morgana.SpareIPv4}, count, count},
		{probe.Probe{Address: l.Morgana.IPv6}, int(lo), int(hi)},
		{probe.Probe{Address: l.Morgana.SpareIPv6}, count, count}, // through none of them
		{probe.Probe{Address: l.Morgana.IPv4}, 0, 0},
	} {
		p := tt.probe
		p.From, p.To, p.Count, p.Rate, p.Settle = l.Borea, l.Morgana, count, 5000, 20*time.Millisecond
		r, err := p.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Received + r.Overflowed; got < tt.least || got > tt.most {
			t.Errorf("%s: %d of %d arrived, want %d to %d", p.Address, got, count, tt.least, tt.most)
		}
	}
}
