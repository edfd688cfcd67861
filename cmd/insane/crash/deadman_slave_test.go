package crash

import (
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestDeadManSlaveExchanged: a NIC that is no longer the slave gets its frames back, and
// nothing of the device is left on it. When it becomes the slave again, the device takes
// its frames again.
func TestDeadManSlaveExchanged(t *testing.T) {
	eachTaking(t, func(t *testing.T, k taking) {
		l, d, p := k.begin(t)
		testbed.PlugSecond(t, l)
		for range testbed.Soak(t, 3) {
			labtest.Set(t, d, api.Change{Slave: new("eth1")})
			if own, other := withholds(t, l.Borea, lab.Link), withholds(t, l.Borea, "eth1"); own != 0 || other != 1 {
				t.Errorf("%d filters on the old slave, %d on the new one; want none and one", own, other)
			}
			p.AwaitNow(t, lab.Link)
			labtest.Set(t, d, api.Change{Slave: new(lab.Link)})
			if own, other := withholds(t, l.Borea, lab.Link), withholds(t, l.Borea, "eth1"); own != 1 || other != 0 {
				t.Errorf("%d filters on the new slave, %d on the old one; want one and none", own, other)
			}
			p.AwaitNow(t, testbed.Device)
		}
		p.NoneTwice(t)
		labtest.CheckCounters(t, labtest.Info(t, d).RX.Stats)
	})
}

// TestDeadManModes: the modes are switched while frames arrive. Each mode takes other
// frames, but no frame is lost and none arrives twice.
func TestDeadManModes(t *testing.T) {
	eachTaking(t, func(t *testing.T, k taking) {
		l, d, p := k.begin(t)
		mode, from := labtest.Info(t, d).Receive, p.Next()
		for range testbed.Soak(t, 3) {
			labtest.Set(t, d, api.Change{Receive: new(api.ReceiveNone)})
			if n := withholds(t, l.Borea, lab.Link); n != 0 {
				t.Errorf("%d filters on the slave with receive none", n)
			}
			p.AwaitNow(t, lab.Link)
			labtest.Set(t, d, api.Change{Receive: &mode})
			p.AwaitNow(t, testbed.Device)
		}
		if missing := p.Missing(from, p.AwaitNow(t, testbed.Device)); len(missing) != 0 {
			t.Errorf("these packets came nowhere: %v", missing)
		}
		p.NoneTwice(t)
	})
}

// TestDeadManSlaveRenamed: a new name changes nothing. Before Linux 6.2 a link must be down
// to be renamed.
func TestDeadManSlaveRenamed(t *testing.T) {
	eachTaking(t, func(t *testing.T, k taking) {
		l, d, p := k.begin(t)
		live, from := !testbed.KernelBefore(t, 6, 2), p.Next()
		rename := func(name, to string) {
			labtest.Run(t, l.Borea, "ip", "link", "set", name, "down")
			labtest.Run(t, l.Borea, "ip", "link", "set", name, "name", to, "up")
			labtest.Await(t, "the new name", func() bool {
				i := labtest.Info(t, d)
				return i.Slave == to && i.SlaveState == api.SlaveUp
			})
		}
		if live {
			rename = func(name, to string) { testbed.RenameSlave(t, l, d, name, to) }
		}
		for range testbed.Soak(t, 3) {
			rename(lab.Link, "wire0")
			p.AwaitNow(t, testbed.Device)
			rename("wire0", lab.Link)
		}
		to := p.AwaitNow(t, testbed.Device)
		alwaysThrough(t, p, from, to, testbed.Device)
		if missing := p.Missing(from, to); live && len(missing) != 0 {
			t.Errorf("these packets came nowhere: %v", missing)
		}
		p.NoneTwice(t)
		if n := withholds(t, l.Borea, lab.Link); n != 1 {
			t.Errorf("%d filters on the slave, want one", n)
		}
	})
}

// TestDeadManSlaveDeleted: after a slave is deleted and created again, with a new index or
// at once with the same one, the device takes its frames again.
func TestDeadManSlaveDeleted(t *testing.T) {
	eachTaking(t, func(t *testing.T, k taking) {
		l, d, p := k.begin(t)
		index := labtest.LinkOf(t, l.Borea, lab.Link).Attrs().Index
		replug := func(index int) {
			testbed.Unplug(t, l, lab.Link)
			testbed.Plug(t, l, lab.Link, index)
			testbed.SecondSubnet(t, l)
		}
		for range testbed.Soak(t, 3) {
			replug(0)
			p.AwaitNow(t, testbed.Device)
			testbed.Pause(t, d, func() { replug(index) })
			p.AwaitNow(t, testbed.Device)
			if n := withholds(t, l.Borea, lab.Link); n != 1 {
				t.Errorf("%d filters on the slave, want one", n)
			}
		}
		p.NoneTwice(t)
		labtest.CheckCounters(t, labtest.Info(t, d).RX.Stats)
	})
}

// TestDeadManSlaveMoved: a link that was moved to another namespace has nothing of the
// device left. When it returns, it is the slave again.
func TestDeadManSlaveMoved(t *testing.T) {
	eachTaking(t, func(t *testing.T, k taking) {
		l, d, p := k.begin(t)
		elsewhere, home := labtest.NamespaceOf(t, l.Morgana), labtest.NamespaceOf(t, l.Borea)
		defer elsewhere.Close()
		defer home.Close()
		for range testbed.Soak(t, 2) {
			testbed.Move(t, l.Borea, lab.Link, elsewhere, "away")
			testbed.Gone(t, l, d)
			labtest.Await(t, "nothing to withhold", func() bool { return withholds(t, l.Morgana, "away") == 0 })
			testbed.Move(t, l.Morgana, "away", home, lab.Link)
			labtest.Furnish(t, l.Borea, lab.Link, "10.9.0.1/24", "fd00:9::1/64")
			testbed.KnowBorea(t, l, k.to)
			p.AwaitNow(t, testbed.Device)
			if n := withholds(t, l.Borea, lab.Link); n != 1 {
				t.Errorf("%d filters on the slave, want one", n)
			}
		}
		p.NoneTwice(t)
		labtest.Await(t, "no reason to be idle", func() bool { return labtest.Info(t, d).Takes.Idle == "" })
	})
}

// TestDeadManEnd: a device that ends normally releases everything at once.
func TestDeadManEnd(t *testing.T) {
	eachTaking(t, func(t *testing.T, k taking) {
		l, d, p := k.begin(t)
		if n := withholds(t, l.Borea, lab.Link); n != 1 {
			t.Errorf("%d filters on the slave, want one", n)
		}
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
		dead := p.Next()
		if n := withholds(t, l.Borea, lab.Link); n != 0 {
			t.Errorf("%d filters are left on the slave", n)
		}
		if k.to == "10.9.0.1" { // the slave's, and not gone with the device
			backAfter(t, p, dead)
		}
		p.NoneTwice(t)
	})
}
