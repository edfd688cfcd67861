package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// phase is a part of a daemon's life in which it is killed.
type phase struct {
	name string
	kill func(*killing) *testbed.Instance // returns a process that is dead
}

var phases = []phase{
	{"start-up", (*killing).duringStart},
	{"running", (*killing).underTraffic},
	{"changing", (*killing).duringChanges},
	{"shutdown", (*killing).duringShutdown},
}

// TestKillLeavesNothing kills the daemon at random moments in every phase of its life, in
// every receive mode. Afterwards the host is as before; the slave gets all frames to its
// address, with a loss of at most one packet; and the next start works. A complete start
// follows each interrupted one, so every round is also the next start after the previous
// round.
func TestKillLeavesNothing(t *testing.T) {
	t.Parallel()
	k := newKilling(t)
	defer k.stopTraffic()
	objects := testbed.ObjectsNow(t)
	kills := testbed.EnvInt(t, "INSANE_KILLS", 30)
	slowest := time.Duration(0)
	for i := range kills {
		p := phases[i%len(phases)]
		k.mode = []string{api.ReceiveAuto, api.ReceiveAll}[i/len(phases)%2]
		first := k.prober.Next()
		dead := p.kill(k)
		when := fmt.Sprintf("kill %d (%s, receive %s)", i, p.name, k.mode)
		k.slaveHears(t, when, first)
		took := sameStateAfter(t, k, when, dead)
		slowest = max(slowest, took)
	}
	k.prober.NoneTwice(t)
	testbed.NoOrphans(t, objects)
	if info, err := os.Lstat(k.socket); err == nil && info.Mode().Type() != os.ModeSocket {
		t.Errorf("%s is a %s", k.socket, info.Mode())
	}
	k.start("--name", "insane").Kill()
	t.Logf("%d kills; the slowest check took %v", kills, slowest)
}

// slaveHears is called when the daemon has just been killed. Of the packets to the slave's
// own address since then, at most one may be lost. If the daemon never took this address,
// at most one may be lost of all packets since the first.
func (k *killing) slaveHears(t *testing.T, when string, first int) {
	t.Helper()
	dead := k.prober.Next()
	backAfter(t, k.prober, dead)
	if k.mode == api.ReceiveAll {
		return
	}
	if missing := k.prober.Missing(first, dead); len(missing) > 1 {
		t.Errorf("%s: the slave never heard %v", when, missing)
	}
	alwaysThrough(t, k.prober, first, dead, lab.Link)
}

func sameStateAfter(t *testing.T, k *killing, when string, dead *testbed.Instance) time.Duration {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("%s; the last words:\n%s", when, dead.Log.String())
		}
	}()
	if !k.tcx { // the next daemon removes what is left on the slave
		k.end()
	}
	return testbed.SameState(t, k.lab.Borea, k.before)
}

// killing is a host on which daemons are killed.
type killing struct {
	t           *testing.T
	lab         *lab.Lab
	rand        *rand.Rand
	socket      string // a path: the next daemon must replace the file that is left there
	mode        string // the receive mode
	tcx         bool   // the kernel has it
	rounds      int
	before      testbed.HostState
	prober      *testbed.Prober // sends to eth0's own address from an address that is not routed through a device
	lifetime    struct{ start, shutdown time.Duration }
	stopTraffic func()
}

func newKilling(t *testing.T) *killing {
	k := &killing{t: t, lab: labtest.New(t), rand: testbed.Seeded(t), socket: testbed.SocketPath(t, "insane"), mode: api.ReceiveAuto, tcx: testbed.HasTCX(t)}
	testbed.PlugSecond(t, k.lab)
	k.stopTraffic = testbed.Flood(t, k.lab)
	testbed.KnowBorea(t, k.lab, "10.9.0.1")
	k.prober = testbed.NewProber(t, k.lab, "10.9.0.4", "10.9.0.1")
	k.before = testbed.StateOf(t, k.lab.Borea)
	began := time.Now()
	i := k.start()
	k.lifetime.start = time.Since(began)
	k.lifetime.shutdown = k.stop(i)
	t.Logf("start takes %v, shutdown %v", k.lifetime.start, k.lifetime.shutdown)
	testbed.SameState(t, k.lab.Borea, k.before)
	return k
}

// end is a complete life of a daemon.
func (k *killing) end() { k.stop(k.start()) }

// stop ends a daemon with SIGTERM and returns how long that took.
func (k *killing) stop(i *testbed.Instance) time.Duration {
	k.t.Helper()
	began := time.Now()
	i.Signal(syscall.SIGTERM)
	if code := i.End(k.t); code != 0 {
		k.t.Fatalf("exit code %d\n%s", code, i.Log.String())
	}
	return time.Since(began)
}

// start starts a daemon, which must work. In every other round the socket is abstract.
func (k *killing) start(args ...string) *testbed.Instance {
	k.t.Helper()
	return k.begin(args...).Ready(k.t)
}

func (k *killing) begin(args ...string) *testbed.Instance {
	k.t.Helper()
	socket := k.socket
	if k.rounds++; k.rounds%2 == 0 {
		socket = "@insane"
	}
	return testbed.Start(k.t, k.lab, socket, slices.Concat(testbed.Furnished, []string{"--receive", k.mode}, args)...)
}

// somewhen sleeps for a random part of a duration and a little more.
func (k *killing) somewhen(span time.Duration) {
	time.Sleep(time.Duration(k.rand.Int64N(int64(span)*5/4 + 1)))
}

func (k *killing) duringStart() *testbed.Instance {
	i := k.begin()
	k.somewhen(k.lifetime.start)
	i.Kill()
	return i
}

func (k *killing) underTraffic() *testbed.Instance {
	i := k.start()
	k.somewhen(20 * time.Millisecond)
	i.Kill()
	return i
}

func (k *killing) duringChanges() *testbed.Instance {
	i := k.start()
	var changes sync.WaitGroup
	for _, change := range []func(n int) api.Change{policyChange, slaveChange, k.modeChange} {
		changes.Go(func() { changeUntilDead(i.Client, change) })
	}
	k.somewhen(50 * time.Millisecond)
	i.Kill()
	changes.Wait()
	return i
}

func (k *killing) duringShutdown() *testbed.Instance {
	i := k.start()
	k.somewhen(5 * time.Millisecond)
	i.Signal(syscall.SIGTERM)
	k.somewhen(k.lifetime.shutdown)
	i.Kill()
	return i
}

func changeUntilDead(c *insanely.Client, change func(n int) api.Change) {
	for n := 0; ; n++ {
		if _, err := c.Set(context.Background(), change(n)); err != nil {
			return
		}
	}
}

func policyChange(n int) api.Change {
	return api.Change{TX: new([]string{"pass", "percent 40", "time 10ms 5ms"}[n%3])}
}

// modeChange switches to the mode of the round, and away from it.
func (k *killing) modeChange(n int) api.Change {
	return api.Change{Receive: new([]string{api.ReceiveNone, k.mode}[n%2])}
}

func slaveChange(n int) api.Change {
	return api.Change{Slave: new([]string{"eth1", "eth0"}[n%2])}
}
