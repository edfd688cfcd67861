package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/wire"
)

// furnished are the arguments of a device that has everything one can leave
// behind.
var furnished = []string{
	"--slave", "eth0", "--policy", "percent 60", "--seed", "1",
	"--address", "10.9.0.3/32", "--address", "fd00:9::3/128",
	"--route", "10.9.0.2", "--route", "fd00:9::2",
}

// phase is a part of a daemon's life in which it is killed.
type phase struct {
	name string
	kill func(*killing) *instance // returns a process that is dead
}

var phases = []phase{
	{"start-up", (*killing).duringStart},
	{"running", (*killing).underTraffic},
	{"changing", (*killing).duringChanges},
	{"shutdown", (*killing).duringShutdown},
}

// TestKillLeavesNothing kills the daemon at random instants of every phase of
// its life. Afterwards the host is as it was, and the next start works. A
// start-up that was cut short is followed by a whole one, so every round is the
// next start of the round before.
func TestKillLeavesNothing(t *testing.T) {
	t.Parallel()
	k := newKilling(t)
	defer k.stopTraffic()
	kills := envInt(t, "INSANE_KILLS", 100)
	slowest := time.Duration(0)
	for i := range kills {
		p := phases[i%len(phases)]
		dead := p.kill(k)
		took := sameStateAfter(t, k, fmt.Sprintf("kill %d (%s)", i, p.name), dead)
		slowest = max(slowest, took)
	}
	if info, err := os.Lstat(k.socket); err == nil && info.Mode().Type() != os.ModeSocket {
		t.Errorf("%s is a %s", k.socket, info.Mode())
	}
	k.start("--name", "insane").kill()
	t.Logf("%d kills; the slowest check took %v", kills, slowest)
}

func sameStateAfter(t *testing.T, k *killing, when string, dead *instance) time.Duration {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("%s; the last words:\n%s", when, dead.log.String())
		}
	}()
	return sameState(t, k.lab.Borea, k.before)
}

// killing is a host on which daemons are killed.
type killing struct {
	t           *testing.T
	lab         *lab.Lab
	rand        *rand.Rand
	socket      string // a path: what is left there has to be replaced
	rounds      int
	before      hostState
	lifetime    struct{ start, shutdown time.Duration }
	stopTraffic func()
}

func newKilling(t *testing.T) *killing {
	k := &killing{t: t, lab: newLab(t), rand: seeded(t), socket: socketPath(t, "insane")}
	plugSecond(t, k.lab)
	k.stopTraffic = flood(t, k.lab)
	k.before = stateOf(t, k.lab.Borea)

	began := time.Now()
	i := k.start()
	k.lifetime.start = time.Since(began)
	began = time.Now()
	i.signal(syscall.SIGTERM)
	if code := i.end(t); code != 0 {
		t.Fatalf("exit code %d\n%s", code, i.log.String())
	}
	k.lifetime.shutdown = time.Since(began)
	t.Logf("start takes %v, shutdown %v", k.lifetime.start, k.lifetime.shutdown)
	sameState(t, k.lab.Borea, k.before)
	return k
}

// start starts a daemon that has to work. Every other round its socket has no file.
func (k *killing) start(args ...string) *instance {
	k.t.Helper()
	return k.begin(args...).ready(k.t)
}

func (k *killing) begin(args ...string) *instance {
	k.t.Helper()
	socket := k.socket
	if k.rounds++; k.rounds%2 == 0 {
		socket = "@insane"
	}
	return start(k.t, k.lab, socket, append(append([]string{}, furnished...), args...)...)
}

// somewhen sleeps for a random part of a span and a little more.
func (k *killing) somewhen(span time.Duration) {
	time.Sleep(time.Duration(k.rand.Int64N(int64(span)*5/4 + 1)))
}

func (k *killing) duringStart() *instance {
	i := k.begin()
	k.somewhen(k.lifetime.start)
	i.kill()
	return i
}

func (k *killing) underTraffic() *instance {
	i := k.start()
	k.somewhen(20 * time.Millisecond)
	i.kill()
	return i
}

func (k *killing) duringChanges() *instance {
	i := k.start()
	var changes sync.WaitGroup
	for _, change := range []func(n int) wire.Change{policyChange, slaveChange} {
		changes.Go(func() { changeUntilDead(i.Client, change) })
	}
	k.somewhen(50 * time.Millisecond)
	i.kill()
	changes.Wait()
	return i
}

func (k *killing) duringShutdown() *instance {
	i := k.start()
	k.somewhen(5 * time.Millisecond)
	i.signal(syscall.SIGTERM)
	k.somewhen(k.lifetime.shutdown)
	i.kill()
	return i
}

func changeUntilDead(c *insanely.Client, change func(n int) wire.Change) {
	for n := 0; ; n++ {
		if _, err := c.Set(context.Background(), change(n)); err != nil {
			return
		}
	}
}

func policyChange(n int) wire.Change {
	return wire.Change{TX: new([]string{"pass", "percent 40", "time 10ms 5ms"}[n%3])}
}

func slaveChange(n int) wire.Change {
	return wire.Change{Slave: new([]string{"eth1", "eth0"}[n%2])}
}
