package slave

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestTopologyDeviceOnDevice: one device is the slave of another. Packets for the address
// of the upper device, and from hosts that are routed through it, pass both devices and
// meet both policies: each device judges the packets that the other relays.
func TestTopologyDeviceOnDevice(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	testbed.DisableIPv6(t, l, "default") // otherwise the host would send packets by itself, which would be counted
	testbed.SecondSubnet(t, l)
	lower := labtest.StartDaemon(t, l, "--name", "lower", "--slave", lab.Link)
	labtest.Run(t, l.Borea, "ip", "link", "set", "lower", "up")
	upper := labtest.StartDaemon(t, l, "--name", "upper", "--slave", "lower", "--address", "10.8.0.1/24")
	labtest.Await(t, "carrier through both", func() bool { return labtest.Info(t, upper).Carrier })
	labtest.Run(t, l.Borea, "ip", "route", "add", "10.9.0.2", "dev", "upper", "src", "10.9.0.1")
	for _, d := range []*lab.Daemon{lower, upper} {
		labtest.Await(t, "both to take the same", func() bool {
			takes := labtest.Info(t, d).Takes
			return slices.Equal(takes.To, []string{"10.8.0.1"}) && slices.Contains(takes.From, "10.9.0.2")
		})
	}
	b, m := l.Borea, l.Morgana
	testbed.PingsAll(t, m, "10.8.0.1")
	testbed.PingsAll(t, m, "10.9.0.1")
	testbed.PingsAll(t, b, "10.9.0.2")
	testbed.PingsAll(t, m, "10.9.0.1", "-I", "10.9.0.4") // this address belongs to the slave
	testbed.KeepNeighbours(t, b, m)
	for _, w := range []testbed.Way{
		{From: b, To: m, Address: "10.8.0.2", Share: 0.5 * 0.6}, {From: b, To: m, Address: "10.9.0.2", Share: 0.5 * 0.6}, {From: b, To: m, Address: "10.9.0.4", Share: 1},
		{From: m, To: b, Address: "10.8.0.1", Share: 0.7 * 0.4}, {From: m, To: b, Address: "10.9.0.1", Share: 0.7 * 0.4},
	} {
		testbed.Faults(t, lower, "percent 60", "percent 70")
		testbed.Faults(t, upper, "percent 50", "percent 40")
		all := uint64(w.Check(t))
		tx, rx := all, uint64(0)
		switch {
		case w.Share == 1:
			tx = 0 // these packets pass neither device
		case w.To == b:
			tx, rx = rx, tx
		}
		awaitChain(t, tx, upper, lower, func(i api.Info) api.Verdicts { return i.TX.Verdicts })
		awaitChain(t, rx, lower, upper, func(i api.Info) api.Verdicts { return i.RX.Verdicts })
	}
	testbed.Balanced(t, lower)
	testbed.Balanced(t, upper)
}

// awaitChain waits until the first device has judged this many packets, and the second
// device exactly the packets that the first one relayed.
func awaitChain(t testing.TB, all uint64, first, second *lab.Daemon, of func(api.Info) api.Verdicts) {
	t.Helper()
	var a, b api.Verdicts
	defer func() {
		if t.Failed() {
			t.Logf("of %d packets the first device relayed %d and dropped %d, the second one %d and %d",
				all, a.Relay, a.Drop, b.Relay, b.Drop)
		}
	}()
	labtest.Await(t, "each device to judge what the other leaves", func() bool {
		a, b = of(labtest.Info(t, first)), of(labtest.Info(t, second))
		return a.Relay+a.Drop == all && b.Relay+b.Drop == a.Relay
	})
}

// TestTopologySideBySide: two devices have the same slave, and each takes its own frames.
func TestTopologySideBySide(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	testbed.SecondSubnet(t, l)
	labtest.Run(t, l.Morgana, "ip", "address", "add", "10.7.0.2/24", "dev", lab.Link)
	one := labtest.StartDaemon(t, l, "--name", "one", "--slave", lab.Link, "--address", "10.8.0.1/24", "--route", "10.9.0.2")
	two := labtest.StartDaemon(t, l, "--name", "two", "--slave", lab.Link, "--address", "10.7.0.1/24")
	labtest.Await(t, "carrier of both", func() bool { return labtest.Info(t, one).Carrier && labtest.Info(t, two).Carrier })
	b, m := l.Borea, l.Morgana
	for _, address := range []string{"10.8.0.1", "10.7.0.1", "10.9.0.1"} {
		testbed.PingsAll(t, m, address)
	}
	testbed.PingsAll(t, m, "10.9.0.1", "-I", "10.9.0.4")
	for _, address := range []string{"10.8.0.2", "10.7.0.2", "10.9.0.2", "10.9.0.4"} {
		testbed.PingsAll(t, b, address)
	}
	testbed.KeepNeighbours(t, b, m)
	testbed.Faults(t, one, "percent 50", "percent 60")
	testbed.Faults(t, two, "percent 30", "percent 80")
	for _, w := range []testbed.Way{
		{From: b, To: m, Address: "10.8.0.2", Share: 0.5}, {From: m, To: b, Address: "10.8.0.1", Share: 0.6}, {From: b, To: m, Address: "10.9.0.2", Share: 0.5}, {From: m, To: b, Address: "10.9.0.1", Share: 0.6},
		{From: b, To: m, Address: "10.7.0.2", Share: 0.3}, {From: m, To: b, Address: "10.7.0.1", Share: 0.8}, {From: b, To: m, Address: "10.9.0.4", Share: 1},
	} {
		w.Check(t)
	}
	testbed.Balanced(t, one)
	testbed.Balanced(t, two)
}

// TestTopologyLoopback: frames that arrive at loopback belong to the host. Receiving is
// refused in one line; with receive none, loopback is a normal slave.
func TestTopologyLoopback(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	before := testbed.StateOf(t, l.Borea)
	for _, mode := range []string{api.ReceiveAuto, api.ReceiveAll} {
		code, out := labtest.Fails(t, l.Borea, "insane", "--socket", "@lo", "--slave", "lo", "--receive", mode, "--address", "10.8.0.1")
		checkLoopbackRefused(t, "insane", code, out)
		testbed.SameState(t, l.Borea, before)
	}
	d := labtest.StartDaemon(t, l, "--slave", "lo", "--receive", "none")
	if i := labtest.Info(t, d); i.Slave != "lo" || i.SlaveState != api.SlaveUp {
		t.Errorf("slave %q is %s", i.Slave, i.SlaveState)
	}
	for _, mode := range []string{api.ReceiveAuto, api.ReceiveAll} {
		code, out := labtest.Fails(t, l.Borea, "insanely", "--socket", d.Socket, "--receive", mode)
		checkLoopbackRefused(t, "insanely", code, out)
		_, err := d.Client.Set(t.Context(), api.Change{Receive: &mode, TX: new("percent 1")})
		if !errors.Is(err, api.ErrWrongType) {
			t.Errorf("%s: %v", mode, err)
		}
	}
	labtest.Set(t, d, api.Change{Slave: new(lab.Link), Receive: new(api.ReceiveAuto)})
	code, out := labtest.Fails(t, l.Borea, "insanely", "--socket", d.Socket, "lo")
	checkLoopbackRefused(t, "insanely", code, out)
	if i := labtest.Info(t, d); i.Slave != lab.Link || i.Receive != api.ReceiveAuto || i.TX.Policy != "pass" {
		t.Errorf("after the refusals: slave %q, receive %s, tx %s", i.Slave, i.Receive, i.TX.Policy)
	}
	labtest.Set(t, d, api.Change{Slave: new("lo"), Receive: new(api.ReceiveNone)})
}

func checkLoopbackRefused(t *testing.T, who string, code int, out string) {
	t.Helper()
	if code != 1 || strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, who+`: slave: "lo": `) || !strings.Contains(out, "receive none") {
		t.Errorf("exit code %d, said:\n%s", code, out)
	}
}

// TestTopologyMacvlan: the slave may be a macvlan. A macvlan may also be on top of the
// device; this needs the mode all, because its address is not one of the device's.
func TestTopologyMacvlan(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args []string
		has  string // the link that has 10.8.0.1
	}{
		{"below", []string{"--slave", "below"}, testbed.Device},
		{"above", []string{"--slave", lab.Link, "--receive", api.ReceiveAll}, "above"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := labtest.New(t)
			testbed.SecondSubnet(t, l)
			b, m := l.Borea, l.Morgana
			labtest.Run(t, b, "ip", "link", "add", "link", lab.Link, "name", "below", "up", "type", "macvlan", "mode", "bridge")
			d := labtest.StartDaemon(t, l, tt.args...)
			labtest.Run(t, b, "ip", "link", "set", testbed.Device, "up")
			labtest.Run(t, b, "ip", "link", "add", "link", testbed.Device, "name", "above", "up", "type", "macvlan", "mode", "bridge")
			labtest.Run(t, b, "ip", "address", "add", "10.8.0.1/24", "dev", tt.has)
			testbed.AwaitCarrier(t, l, true)
			testbed.PingsAll(t, m, "10.8.0.1")
			if tt.has == testbed.Device { // in mode all the slave receives nothing
				testbed.PingsAll(t, m, "10.9.0.1")
			}
			testbed.KeepNeighbours(t, b, m)
			testbed.Faults(t, d, "percent 50", "percent 60")
			testbed.Way{From: b, To: m, Address: "10.8.0.2", Share: 0.5}.Check(t)
			testbed.Way{From: m, To: b, Address: "10.8.0.1", Share: 0.6}.Check(t)
			testbed.Balanced(t, d)
		})
	}
}

// TestTopologyMasters: the slave may be a bond, and the device may be in a VRF, if the
// kernel supports them.
func TestTopologyMasters(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	testbed.SecondSubnet(t, l)
	b, m := l.Borea, l.Morgana
	slave := lab.Link
	if canAdd(l, "bond0", "type", "bond", "mode", "active-backup") {
		labtest.Run(t, b, "ip", "address", "flush", "dev", lab.Link)
		labtest.Run(t, b, "ip", "link", "set", lab.Link, "down")
		labtest.Run(t, b, "ip", "link", "set", lab.Link, "master", "bond0")
		labtest.Furnish(t, b, "bond0", "10.9.0.1/24")
		labtest.Await(t, "the bond to be up", func() bool { return labtest.CarrierOf(t, b, "bond0") })
		slave = "bond0"
	} else {
		t.Log("this kernel has no bonds")
	}
	d := labtest.StartDaemon(t, l, "--slave", slave, "--address", "10.8.0.1/24")
	testbed.AwaitCarrier(t, l, true)
	if canAdd(l, "red", "up", "type", "vrf", "table", "10") {
		labtest.Run(t, b, "ip", "link", "set", testbed.Device, "master", "red")
	} else {
		t.Log("this kernel has no VRFs")
	}
	testbed.PingsAll(t, m, "10.8.0.1")
	testbed.PingsAll(t, m, "10.9.0.1")
	if takes := labtest.Info(t, d).Takes; !slices.Contains(takes.To, "10.8.0.1") {
		t.Errorf("takes what is for %q", takes.To)
	}
	labtest.Set(t, d, api.Change{RX: new("percent 0")})
	if err := m.Command(context.Background(), "ping", "-c", "1", "-W", "1", "10.8.0.1").Run(); err == nil {
		t.Error("what is for the device's address did not come through it")
	}
	testbed.PingsAll(t, m, "10.9.0.1")
	testbed.Balanced(t, d)
}

// canAdd tries to add a link to borea.
func canAdd(l *lab.Lab, name string, args ...string) bool {
	args = append([]string{"link", "add", name}, args...)
	return l.Borea.Command(context.Background(), "ip", args...).Run() == nil
}

// TestStackedOnTheDevice: a macvlan on the device gets nothing with receive auto, and the
// device says so; with receive all it is heard.
func TestStackedOnTheDevice(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--address", "10.8.0.1/24")
	labtest.Run(t, l.Borea, "ip", "link", "add", "link", "insane", "name", "above", "type", "macvlan", "mode", "bridge")
	labtest.Await(t, "the device to say it", func() bool { return labtest.Info(t, d).Warns(api.WarnStacked) })
	labtest.Set(t, d, api.Change{Receive: new(api.ReceiveAll)})
	labtest.Await(t, "the warning to end", func() bool { return !labtest.Info(t, d).Warns(api.WarnStacked) })
	labtest.Set(t, d, api.Change{Receive: new(api.ReceiveAuto)})
	labtest.Await(t, "the device to say it again", func() bool { return labtest.Info(t, d).Warns(api.WarnStacked) })
	labtest.Run(t, l.Borea, "ip", "link", "del", "above")
	labtest.Await(t, "the warning to end with the macvlan", func() bool { return len(labtest.Info(t, d).Warnings) == 0 })
}
