package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestDeadManSlaveExchanged: a NIC that is no slave any more has its frames back,
// nothing of the device is left on it, and as a slave again it gives them again.
func TestDeadManSlaveExchanged(t *testing.T) {
	eachTaking(t, func(t *testing.T, k taking) {
		l, d, p := k.begin(t)
		plugSecond(t, l)
		for range soak(t, 3) {
			set(t, d, api.Change{Slave: new("eth1")})
			if own, other := withholds(t, l.Borea, lab.Link), withholds(t, l.Borea, "eth1"); own != 0 || other != 1 {
				t.Errorf("%d filters on the old slave, %d on the new one; want none and one", own, other)
			}
			p.awaitNow(t, lab.Link)
			set(t, d, api.Change{Slave: new(lab.Link)})
			if own, other := withholds(t, l.Borea, lab.Link), withholds(t, l.Borea, "eth1"); own != 1 || other != 0 {
				t.Errorf("%d filters on the new slave, %d on the old one; want one and none", own, other)
			}
			p.awaitNow(t, device)
		}
		p.noneTwice(t)
		checkCounters(t, info(t, d).RX.Stats)
	})
}

// TestDeadManModes: the modes are switched while frames come in. What is taken
// and what is not changes; nothing is lost, nothing comes twice.
func TestDeadManModes(t *testing.T) {
	eachTaking(t, func(t *testing.T, k taking) {
		l, d, p := k.begin(t)
		mode, from := info(t, d).Receive, p.next()
		for range soak(t, 3) {
			set(t, d, api.Change{Receive: new(api.ReceiveNone)})
			if n := withholds(t, l.Borea, lab.Link); n != 0 {
				t.Errorf("%d filters on the slave with receive none", n)
			}
			p.awaitNow(t, lab.Link)
			set(t, d, api.Change{Receive: &mode})
			p.awaitNow(t, device)
		}
		if missing := p.missing(from, p.awaitNow(t, device)); len(missing) != 0 {
			t.Errorf("these packets came nowhere: %v", missing)
		}
		p.noneTwice(t)
	})
}

// TestDeadManSlaveRenamed: a new name changes nothing. Before Linux 6.2 only a link
// that is down can get one.
func TestDeadManSlaveRenamed(t *testing.T) {
	eachTaking(t, func(t *testing.T, k taking) {
		l, d, p := k.begin(t)
		live, from := !kernelBefore(t, 6, 2), p.next()
		rename := func(name, to string) {
			run(t, l.Borea, "ip", "link", "set", name, "down")
			run(t, l.Borea, "ip", "link", "set", name, "name", to, "up")
			eventually(t, "the new name", func() bool {
				i := info(t, d)
				return i.Slave == to && i.SlaveState == api.SlaveUp
			})
		}
		if live {
			rename = func(name, to string) { renameSlave(t, l, d, name, to) }
		}
		for range soak(t, 3) {
			rename(lab.Link, "wire0")
			p.awaitNow(t, device)
			rename("wire0", lab.Link)
		}
		to := p.awaitNow(t, device)
		p.alwaysThrough(t, from, to, device)
		if missing := p.missing(from, to); live && len(missing) != 0 {
			t.Errorf("these packets came nowhere: %v", missing)
		}
		p.noneTwice(t)
		if n := withholds(t, l.Borea, lab.Link); n != 1 {
			t.Errorf("%d filters on the slave, want one", n)
		}
	})
}

// TestDeadManSlaveDeleted: a slave that is deleted and comes again, with an index
// of its own or the very same one before anybody can look, gives its frames again.
func TestDeadManSlaveDeleted(t *testing.T) {
	eachTaking(t, func(t *testing.T, k taking) {
		l, d, p := k.begin(t)
		index := linkOf(t, l.Borea, lab.Link).Attrs().Index
		replug := func(index int) {
			unplug(t, l, lab.Link)
			plug(t, l, lab.Link, index)
			secondSubnet(t, l)
		}
		for range soak(t, 3) {
			replug(0)
			p.awaitNow(t, device)
			pause(t, d, func() { replug(index) })
			p.awaitNow(t, device)
			if n := withholds(t, l.Borea, lab.Link); n != 1 {
				t.Errorf("%d filters on the slave, want one", n)
			}
		}
		p.noneTwice(t)
		checkCounters(t, info(t, d).RX.Stats)
	})
}

// TestDeadManSlaveMoved: on a link that has gone to another namespace nothing of
// the device is left; when it comes back it is the slave again.
func TestDeadManSlaveMoved(t *testing.T) {
	eachTaking(t, func(t *testing.T, k taking) {
		l, d, p := k.begin(t)
		elsewhere, home := namespaceOf(t, l.Morgana), namespaceOf(t, l.Borea)
		defer elsewhere.Close()
		defer home.Close()
		for range soak(t, 2) {
			move(t, l.Borea, lab.Link, elsewhere, "away")
			gone(t, l, d)
			eventually(t, "nothing to withhold", func() bool { return withholds(t, l.Morgana, "away") == 0 })
			move(t, l.Morgana, "away", home, lab.Link)
			furnishLink(t, l.Borea, lab.Link, "10.9.0.1/24", "fd00:9::1/64")
			knowBorea(t, l, k.to)
			p.awaitNow(t, device)
			if n := withholds(t, l.Borea, lab.Link); n != 1 {
				t.Errorf("%d filters on the slave, want one", n)
			}
		}
		p.noneTwice(t)
		eventually(t, "no reason to be idle", func() bool { return info(t, d).Takes.Idle == "" })
	})
}

// move puts a link into another namespace, under another name from the start.
func move(t testing.TB, h *lab.Host, name string, namespace *os.File, as string) {
	t.Helper()
	path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), namespace.Fd())
	run(t, h, "ip", "link", "set", "dev", name, "netns", path, "name", as)
}

// TestDeadManEnd: a device that ends well lets go of everything at once.
func TestDeadManEnd(t *testing.T) {
	eachTaking(t, func(t *testing.T, k taking) {
		l, d, p := k.begin(t)
		if n := withholds(t, l.Borea, lab.Link); n != 1 {
			t.Errorf("%d filters on the slave, want one", n)
		}
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
		dead := p.next()
		if n := withholds(t, l.Borea, lab.Link); n != 0 {
			t.Errorf("%d filters are left on the slave", n)
		}
		if k.to == "10.9.0.1" { // the slave's, and not gone with the device
			p.backAfter(t, dead)
		}
		p.noneTwice(t)
	})
}
