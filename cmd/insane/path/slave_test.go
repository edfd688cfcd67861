package path

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// accident is an event that breaks a slave, and its repair.
type accident struct {
	name      string
	happen    func(*stricken)
	mend      func(*stricken)
	state     string // of the slave between the event and the repair
	noCarrier bool   // in the same time
}

var accidents = []accident{
	{"renamed",
		func(s *stricken) { testbed.RenameSlave(s.t, s.lab, s.daemon, lab.Link, "wire0") },
		func(s *stricken) { testbed.RenameSlave(s.t, s.lab, s.daemon, "wire0", lab.Link) }, api.SlaveUp, false},
	{"MTU",
		func(s *stricken) {
			labtest.SetMTU(s.t, s.lab.Borea, lab.Link, 600)
			testbed.AwaitMTU(s.t, s.lab, s.daemon, 600)
		},
		func(s *stricken) {
			labtest.SetMTU(s.t, s.lab.Borea, lab.Link, 1500)
			testbed.AwaitMTU(s.t, s.lab, s.daemon, 1500)
		}, api.SlaveUp, false},
	{"down",
		func(s *stricken) { labtest.SetUp(s.t, s.lab.Borea, false) },
		func(s *stricken) { labtest.SetUp(s.t, s.lab.Borea, true) }, api.SlaveDown, true},
	{"peer down",
		func(s *stricken) { labtest.SetUp(s.t, s.lab.Morgana, false) },
		func(s *stricken) { labtest.SetUp(s.t, s.lab.Morgana, true) }, api.SlaveDown, true},
	{"deleted",
		func(s *stricken) { testbed.Unplug(s.t, s.lab, lab.Link) },
		func(s *stricken) { testbed.Plug(s.t, s.lab, lab.Link, 0) }, api.SlaveGone, true},
	{"deleted, same index",
		func(s *stricken) { testbed.Unplug(s.t, s.lab, lab.Link) },
		func(s *stricken) { testbed.Plug(s.t, s.lab, lab.Link, s.index) }, api.SlaveGone, true},
	{"moved", (*stricken).moveAway, (*stricken).moveHome, api.SlaveGone, true},
	{"another slave",
		func(s *stricken) { labtest.Set(s.t, s.daemon, api.Change{Slave: new("eth1")}) },
		func(s *stricken) { labtest.Set(s.t, s.daemon, api.Change{Slave: new(lab.Link)}) }, api.SlaveUp, false},
}

// TestPathSurvivesItsSlave: each accident happens to the slave while the kernel carries
// packets. The carrier follows, each packet is in the counters, and in the end the kernel
// carries packets again.
func TestPathSurvivesItsSlave(t *testing.T) {
	t.Parallel()
	for _, a := range accidents {
		if a.name == "renamed" && testbed.KernelBefore(t, 6, 2) {
			continue // a link that is up cannot be renamed
		}
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s := newStricken(t)
			for range testbed.Soak(t, 3) {
				a.happen(s)
				labtest.Await(t, "the slave to be "+a.state, func() bool { return labtest.Info(t, s.daemon).SlaveState == a.state })
				testbed.AwaitCarrier(t, s.lab, !a.noCarrier)
				s.awaitSent(t, 200)
				a.mend(s)
				labtest.Await(t, "the slave to be up", func() bool { return labtest.Info(t, s.daemon).SlaveState == api.SlaveUp })
				testbed.AwaitCarrier(t, s.lab, true)
				testbed.AwaitPaths(t, s.daemon, api.PathKernel)
				s.checkFast(t)
				s.back.AwaitNow(t, testbed.Device)
			}
			s.check(t, a)
		})
	}
}

// stricken is a slave with traffic in both directions, to which an accident happens.
type stricken struct {
	t      *testing.T
	lab    *lab.Lab
	daemon *lab.Daemon
	index  int // of the slave

	before api.Stats
	taken  atomic.Uint64   // frames that were sent into the device
	back   *testbed.Prober // packets in the other direction
	stop   func()          // ends the traffic into the device
}

func newStricken(t *testing.T) *stricken {
	l := labtest.New(t)
	testbed.PlugSecond(t, l)
	s := &stricken{t: t, lab: l, index: labtest.LinkOf(t, l.Borea, lab.Link).Attrs().Index}
	s.daemon = labtest.StartDaemon(t, l, "--slave", lab.Link, "--route", "10.9.0.2", "--path", api.PathKernel)
	testbed.Silence(t, l)
	testbed.AwaitCarrier(t, l, true)
	testbed.AwaitPaths(t, s.daemon, api.PathKernel)
	s.back = testbed.NewProber(t, l, "10.9.0.2", "10.9.0.1")
	s.back.AwaitNow(t, testbed.Device)
	s.before = labtest.Info(t, s.daemon).TX.Stats
	into := testbed.NewInjector(t, l, testbed.Device)
	var over atomic.Bool
	var sending sync.WaitGroup
	sending.Go(func() {
		for !over.Load() {
			for range 8 {
				if err := into.Try(200); err != nil {
					t.Errorf("send: %v", err)
					return
				}
				s.taken.Add(1)
			}
			time.Sleep(time.Millisecond)
		}
	})
	s.stop = sync.OnceFunc(func() {
		over.Store(true)
		sending.Wait()
	})
	t.Cleanup(s.stop)
	return s
}

// awaitSent waits until this many more frames were sent.
func (s *stricken) awaitSent(t testing.TB, count uint64) {
	t.Helper()
	from := s.taken.Load()
	labtest.Await(t, "frames to be sent", func() bool { return s.taken.Load() >= from+count })
}

// checkFast fails unless the kernel carries packets that are sent. At first the relay has
// frames, and frames that are sent meanwhile follow them through the relay.
func (s *stricken) checkFast(t testing.TB) {
	t.Helper()
	const count = 100
	crossed := func() uint64 { return labtest.LinkOf(t, s.lab.Borea, testbed.Device).Attrs().Statistics.TxPackets }
	labtest.Await(t, "frames to go by the kernel", func() bool {
		before := crossed()
		s.awaitSent(t, count)
		return crossed()-before <= count/10 // the host sends some frames by itself
	})
}

// check ends the traffic and fails unless each frame is in the counters, and only for
// reasons that fit the accident.
func (s *stricken) check(t testing.TB, a accident) {
	t.Helper()
	s.stop()
	s.back.End()
	s.back.NoneTwice(t)
	taken := s.taken.Load()
	after, dropped := testbed.SettledStats(t, s.daemon, s.before, taken)
	labtest.CheckCounters(t, labtest.Info(t, s.daemon).RX.Stats)
	own := after.Offered.Packets + after.Overruns - s.before.Offered.Packets - s.before.Overruns - taken
	if own > 100 { // borea asks morgana for its address meanwhile
		t.Errorf("sent %d frames, %d more are accounted for", taken, own)
	}
	t.Logf("%d frames, dropped %v, overruns %d", taken, dropped, after.Overruns-s.before.Overruns)
	for why := range dropped {
		// Busy: a veth whose other end has just gone says so (drivers/net/veth.c, veth_xmit).
		if !a.noCarrier || why != api.DropSlaveGone && why != api.DropSlaveDown && why != api.DropSlaveBusy {
			t.Errorf("%d packets were dropped as %s", dropped[why], why)
		}
	}
	if a.noCarrier && len(dropped) == 0 {
		t.Error("nothing was dropped while there was no carrier")
	}
}

// moveAway moves the slave to morgana, where its name is in use.
func (s *stricken) moveAway() {
	elsewhere := labtest.NamespaceOf(s.t, s.lab.Morgana)
	defer elsewhere.Close()
	testbed.Move(s.t, s.lab.Borea, lab.Link, elsewhere, "away")
}

func (s *stricken) moveHome() {
	home := labtest.NamespaceOf(s.t, s.lab.Borea)
	defer home.Close()
	testbed.Move(s.t, s.lab.Morgana, "away", home, lab.Link)
	labtest.Furnish(s.t, s.lab.Borea, lab.Link, "10.9.0.1/24", "fd00:9::1/64")
}
