package crash

import (
	"context"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// taking is a configuration in which a device takes frames, and addresses of such frames.
type taking struct {
	name     string
	args     []string // of insane
	from, to string   // addresses of such frames
}

var takings = []taking{
	{"all", []string{"--receive", "all", "--address", "10.9.0.3"}, "10.9.0.4", "10.9.0.1"},
	{"own address", []string{"--address", "10.8.0.1/24"}, "10.8.0.2", "10.8.0.1"},
	{"routed host", []string{"--route", "10.9.0.2"}, "10.9.0.2", "10.9.0.1"},
}

// begin starts the device on eth0, and the prober. When it returns, the device has taken a
// frame.
func (k taking) begin(t testing.TB) (*lab.Lab, *lab.Daemon, *testbed.Prober) {
	t.Helper()
	l := labtest.New(t)
	testbed.SecondSubnet(t, l)
	d := labtest.StartDaemon(t, l, append([]string{"--slave", lab.Link}, k.args...)...)
	testbed.AwaitCarrier(t, l, true)
	testbed.KnowBorea(t, l, k.to)
	p := testbed.NewProber(t, l, k.from, k.to)
	p.AwaitNow(t, testbed.Device)
	return l, d, p
}

// eachTaking runs a test for every such configuration.
func eachTaking(t *testing.T, test func(t *testing.T, k taking)) {
	t.Parallel()
	for _, k := range takings {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			test(t, k)
		})
	}
}

// TestDeadManStopped: when a daemon is stopped, it stops taking frames, and the slave gets
// its frames again. When the daemon continues, it takes frames again. No packet is lost and
// none arrives twice, because frames that waited for the daemon never belonged to the
// slave.
func TestDeadManStopped(t *testing.T) {
	eachTaking(t, func(t *testing.T, k taking) {
		_, d, p := k.begin(t)
		from := p.Next()
		for range testbed.Soak(t, 2) {
			began := time.Now()
			testbed.Pause(t, d, func() {
				p.AwaitNow(t, lab.Link)
				t.Logf("the slave had its frames back after %v", time.Since(began))
			})
			began = time.Now()
			p.AwaitNow(t, testbed.Device)
			t.Logf("the device took them again after %v", time.Since(began))
		}
		if missing := p.Missing(from, p.AwaitNow(t, testbed.Device)); len(missing) != 0 {
			t.Errorf("these packets came nowhere: %v", missing)
		}
		p.NoneTwice(t)
		labtest.CheckCounters(t, labtest.Info(t, d).RX.Stats)
	})
}

// TestDeadManSlaveAnswers: while the daemon is stopped, the slave itself answers frames to
// its addresses, including ARP.
func TestDeadManSlaveAnswers(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", lab.Link, "--receive", api.ReceiveAll, "--address", "10.9.0.3", "--rx-policy", "percent 0")
	testbed.AwaitCarrier(t, l, true)
	ping := func() error {
		labtest.Run(t, l.Morgana, "ip", "neigh", "flush", "dev", lab.Link)
		return l.Morgana.Command(context.Background(), "ping", "-c", "1", "-W", "1", "-I", "10.9.0.4", "10.9.0.1").Run()
	}
	if ping() == nil {
		t.Error("the slave answers although the device takes everything and relays nothing")
	}
	testbed.Pause(t, d, func() { labtest.Await(t, "an answer of the slave", func() bool { return ping() == nil }) })
	labtest.Await(t, "the device to take again", func() bool { return ping() != nil })
}

// TestDeadManDown: when a user sets the interface down, the slave gets its frames back, and
// info says why the device takes nothing.
func TestDeadManDown(t *testing.T) {
	eachTaking(t, func(t *testing.T, k taking) {
		l, d, p := k.begin(t)
		for range testbed.Soak(t, 5) {
			began := time.Now()
			labtest.Run(t, l.Borea, "ip", "link", "set", testbed.Device, "down")
			p.AwaitNow(t, lab.Link)
			t.Logf("the slave had its frames back after %v", time.Since(began))
			labtest.Await(t, "the reason", func() bool { return labtest.Info(t, d).Takes.Idle == "insane is down" })
			labtest.Run(t, l.Borea, "ip", "link", "set", testbed.Device, "up")
			p.AwaitNow(t, testbed.Device)
			labtest.Await(t, "no reason", func() bool { return labtest.Info(t, d).Takes.Idle == "" })
		}
		p.NoneTwice(t)
		labtest.CheckCounters(t, labtest.Info(t, d).RX.Stats)
	})
}

// TestDeadManKilled: after SIGKILL the slave gets its frames, with a loss of at most one
// packet. This does not apply to the device's own address, which is gone by then.
func TestDeadManKilled(t *testing.T) {
	eachTaking(t, func(t *testing.T, k taking) {
		if k.to != "10.9.0.1" {
			return
		}
		l := labtest.New(t)
		testbed.KnowBorea(t, l, k.to)
		p := testbed.NewProber(t, l, k.from, k.to)
		for range testbed.Soak(t, 3) {
			i := testbed.Start(t, l, "@insane", append([]string{"--slave", lab.Link}, k.args...)...).Ready(t)
			p.AwaitNow(t, testbed.Device)
			i.Kill()
			backAfter(t, p, p.Next())
		}
		p.NoneTwice(t)
	})
}

// backAfter fails unless the slave gets all packets from a packet on that was sent after
// the daemon's death; at most one may be lost.
func backAfter(t testing.TB, p *testbed.Prober, dead int) {
	t.Helper()
	const more = 2 // at most one of them may be lost
	number := p.Await(t, dead+more, lab.Link)
	if missing := p.Missing(dead, number); len(missing) > 1 {
		t.Errorf("the daemon was dead when packet %d was sent; lost are %v", dead, missing)
	}
	alwaysThrough(t, p, dead, number, lab.Link)
}
