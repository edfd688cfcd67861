package main

import (
	"context"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// taking is a way in which a device comes to take frames, and frames that it
// takes in that way.
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

// begin starts the device on eth0 and the prober. When it returns, the device has
// taken a frame.
func (k taking) begin(t testing.TB) (*lab.Lab, *lab.Daemon, *prober) {
	t.Helper()
	l := newLab(t)
	secondSubnet(t, l)
	d := newDaemon(t, l, append([]string{"--slave", lab.Link}, k.args...)...)
	awaitCarrier(t, l, true)
	knowBorea(t, l, k.to)
	p := newProber(t, l, k.from, k.to)
	p.awaitNow(t, device)
	return l, d, p
}

// secondSubnet gives morgana an address that borea's own has nothing to do with.
func secondSubnet(t testing.TB, l *lab.Lab) {
	t.Helper()
	run(t, l.Morgana, "ip", "address", "add", "10.8.0.2/24", "dev", lab.Link)
}

// eachTaking runs a test for every way to take.
func eachTaking(t *testing.T, test func(t *testing.T, k taking)) {
	t.Parallel()
	for _, k := range takings {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			test(t, k)
		})
	}
}

// TestDeadManStopped: a daemon that is stopped stops taking, and its slave hears
// again what is for it. When the daemon goes on it takes again. No packet is lost
// over it, and none comes twice: what waited for the daemon was never the slave's.
func TestDeadManStopped(t *testing.T) {
	eachTaking(t, func(t *testing.T, k taking) {
		_, d, p := k.begin(t)
		from := p.next()
		for range soak(t, 2) {
			began := time.Now()
			pause(t, d, func() {
				p.awaitNow(t, lab.Link)
				t.Logf("the slave had its frames back after %v", time.Since(began))
			})
			began = time.Now()
			p.awaitNow(t, device)
			t.Logf("the device took them again after %v", time.Since(began))
		}
		if missing := p.missing(from, p.awaitNow(t, device)); len(missing) != 0 {
			t.Errorf("these packets came nowhere: %v", missing)
		}
		p.noneTwice(t)
		checkCounters(t, info(t, d).RX.Stats)
	})
}

// TestDeadManSlaveAnswers: what the slave has back while the daemon is stopped it
// answers by itself, ARP included.
func TestDeadManSlaveAnswers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := newDaemon(t, l, "--slave", lab.Link, "--receive", api.ReceiveAll, "--address", "10.9.0.3", "--rx-policy", "percent 0")
	awaitCarrier(t, l, true)
	ping := func() error {
		run(t, l.Morgana, "ip", "neigh", "flush", "dev", lab.Link)
		return l.Morgana.Command(context.Background(), "ping", "-c", "1", "-W", "1", "-I", "10.9.0.4", "10.9.0.1").Run()
	}
	if ping() == nil {
		t.Error("the slave answers although the device takes everything and relays nothing")
	}
	pause(t, d, func() { eventually(t, "an answer of the slave", func() bool { return ping() == nil }) })
	eventually(t, "the device to take again", func() bool { return ping() != nil })
}

// TestDeadManDown: whoever takes the interface down has the slave's frames back,
// and info tells why nothing is taken.
func TestDeadManDown(t *testing.T) {
	eachTaking(t, func(t *testing.T, k taking) {
		l, d, p := k.begin(t)
		for range soak(t, 5) {
			began := time.Now()
			run(t, l.Borea, "ip", "link", "set", device, "down")
			p.awaitNow(t, lab.Link)
			t.Logf("the slave had its frames back after %v", time.Since(began))
			eventually(t, "the reason", func() bool { return info(t, d).Takes.Idle == "insane is down" })
			run(t, l.Borea, "ip", "link", "set", device, "up")
			p.awaitNow(t, device)
			eventually(t, "no reason", func() bool { return info(t, d).Takes.Idle == "" })
		}
		p.noneTwice(t)
		checkCounters(t, info(t, d).RX.Stats)
	})
}

// TestDeadManKilled: after SIGKILL the slave hears its own within a packet. An
// address of the device is no more by then, so it is not for this.
func TestDeadManKilled(t *testing.T) {
	eachTaking(t, func(t *testing.T, k taking) {
		if k.to != "10.9.0.1" {
			return
		}
		l := newLab(t)
		knowBorea(t, l, k.to)
		p := newProber(t, l, k.from, k.to)
		for range soak(t, 3) {
			i := start(t, l, "@insane", append([]string{"--slave", lab.Link}, k.args...)...).ready(t)
			p.awaitNow(t, device)
			i.kill()
			p.backAfter(t, p.next())
		}
		p.noneTwice(t)
	})
}

// backAfter fails unless the slave has back what is sent from a packet on that was
// sent after the daemon's death; one may be lost.
func (p *prober) backAfter(t testing.TB, dead int) {
	t.Helper()
	const more = 2 // of which one is not lost
	number := p.await(t, dead+more, lab.Link)
	if missing := p.missing(dead, number); len(missing) > 1 {
		t.Errorf("the daemon was dead when packet %d was sent; lost are %v", dead, missing)
	}
	p.alwaysThrough(t, dead, number, lab.Link)
}
