package hold

import (
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// count is how many packets are held while the slave or the interface changes.
const count = 200

// dropped waits until this many packets were dropped for a reason.
func (s *stream) dropped(t *testing.T, why string, want uint64) {
	t.Helper()
	for deadline := time.Now().Add(testbed.Longest); ; time.Sleep(time.Millisecond) {
		now := s.bed.Stats(t)
		if now.Dropped[why].Packets == want && now.Held.Packets == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("want %d dropped as %s: %+v", want, why, now)
		}
	}
}

// TestSlaveGoneWhileSending: what is held when the slave goes is held until it is due. Then it
// leaves through the new slave, or counts as slave-gone.
func TestSlaveGoneWhileSending(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	s := newStream(t, b, 64)
	b.Begin(t, "delay 1h", 1)
	s.hold(t, count)
	testbed.Unplug(t, b.Lab, lab.Link)
	testbed.Gone(t, b.Lab, b.Daemon)
	if held := b.Stats(t).Held.Packets; held != count {
		t.Errorf("%d packets are held, want %d", held, count)
	}
	s.change(t, "pass")
	s.dropped(t, api.DropSlaveGone, count)
}

// TestSlaveExchangedWhileSending: what is held leaves through the slave of then.
func TestSlaveExchangedWhileSending(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	s := newStream(t, b, 64)
	b.Begin(t, "delay 1h", 1)
	s.hold(t, count)
	before := b.Stats(t)
	testbed.Unplug(t, b.Lab, lab.Link)
	testbed.Gone(t, b.Lab, b.Daemon)
	testbed.Plug(t, b.Lab, lab.Link, 0)
	labtest.Await(t, "the slave to be back", func() bool { return labtest.Info(t, b.Daemon).SlaveState == api.SlaveUp })
	if held := b.Stats(t).Held.Packets; held < count {
		t.Errorf("%d packets are held, want %d", held, count)
	}
	s.change(t, "pass")
	s.holds(t, 0)
	if now := b.Stats(t); now.Relayed.Packets < before.Relayed.Packets+count {
		t.Errorf("%d packets have left: %+v", now.Relayed.Packets-before.Relayed.Packets, now)
	}
}

// TestCarrierLostWhileSending: without carrier nothing happens until packets are due; those
// that are due count as slave-down, and the others leave once there is carrier.
func TestCarrierLostWhileSending(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	s := newStream(t, b, 64)
	b.Begin(t, "delay 1h", 1)
	down := func(is bool) {
		labtest.SetUp(t, b.Morgana, !is)
		labtest.Await(t, "the carrier", func() bool { return (labtest.Info(t, b.Daemon).SlaveState == api.SlaveDown) == is })
	}
	s.hold(t, count)
	down(true)
	s.change(t, "pass")
	s.dropped(t, api.DropSlaveDown, count)
	down(false)
}

// TestSlaveGoneWhileReceiving: what has arrived and is held when the slave goes still reaches
// the host when it is due, also if another slave, with another address, has come meanwhile.
func TestSlaveGoneWhileReceiving(t *testing.T) {
	for _, comes := range []bool{false, true} {
		t.Run(map[bool]string{false: "gone", true: "back"}[comes], func(t *testing.T) {
			t.Parallel()
			b := testbed.NewReceiver(t)
			s := newStream(t, b, 64)
			const delay = 3 * time.Second
			b.Begin(t, "delay "+delay.String(), 1)
			s.hold(t, count)
			address := testbed.MACOf(t, b.Lab, lab.Link)
			testbed.Unplug(t, b.Lab, lab.Link)
			testbed.Gone(t, b.Lab, b.Daemon)
			if comes {
				testbed.Plug(t, b.Lab, lab.Link, 0)
				labtest.Await(t, "the slave to be back", func() bool { return labtest.Info(t, b.Daemon).SlaveState == api.SlaveUp })
				if testbed.MACOf(t, b.Lab, testbed.Device) == address {
					t.Fatalf("the new slave has the address of the old one")
				}
			}
			s.arrive(t, 0, count, delay)
		})
	}
}

// TestChangeWithoutSlave: a change lets go at once what the relay holds while it has no slave
// to read from.
func TestChangeWithoutSlave(t *testing.T) {
	t.Parallel()
	b := testbed.NewReceiver(t)
	s := newStream(t, b, 64)
	b.Begin(t, "delay 1h", 1)
	s.hold(t, count)
	testbed.Unplug(t, b.Lab, lab.Link)
	testbed.Gone(t, b.Lab, b.Daemon)
	s.change(t, "pass")
	s.inOrder(t, s.receive(t, count), 0)
}

// TestInterfaceDownWhileReceiving: what is due while the interface is down is lost, and counts
// as if it had arrived then.
func TestInterfaceDownWhileReceiving(t *testing.T) {
	t.Parallel()
	b := testbed.NewReceiver(t)
	s := newStream(t, b, 64)
	b.Begin(t, "delay 1h", 1)
	s.hold(t, count)
	if err := b.Borea.Netlink().LinkSetDown(labtest.LinkOf(t, b.Borea, testbed.Device)); err != nil {
		t.Fatal(err)
	}
	s.change(t, "pass")
	s.dropped(t, api.DropSlaveDown, count)
}

// TestMTUWhileHeld: what has become too big for the slave while it was held counts as too-big.
func TestMTUWhileHeld(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	s := newStream(t, b, 1000)
	b.Begin(t, "delay 1h", 1)
	s.hold(t, 100)
	s.super(t, 20)
	s.holds(t, 120)
	labtest.SetMTU(t, b.Borea, lab.Link, 800)
	testbed.AwaitMTU(t, b.Lab, b.Daemon, 800)
	s.change(t, "pass")
	s.dropped(t, api.DropTooBig, 120)
	s.silent(t)
}
