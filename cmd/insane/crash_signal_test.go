package main

import (
	"context"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestSignalEndsWell asks the daemon to end while packets pass through it. It
// ends with status 0, the host is as it was, the file of the socket is gone, and
// streams that do not go through the device have lost nothing on the way, in either
// direction. What the device took of them the slave has back within a packet.
func TestSignalEndsWell(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			l, r := newLab(t), seeded(t)
			socket := socketPath(t, "insane")
			defer flood(t, l)()
			knowBorea(t, l, "10.9.0.1")
			inbound := newProber(t, l, "10.9.0.4", "10.9.0.1")
			before, objects := stateOf(t, l.Borea), objectsNow(t)
			// Without tcx a clsact qdisc goes, and while one comes or goes the
			// kernel sends nothing (net/sched/sch_api.c, qdisc_graft).
			tcx := hasTCX(t)
			for round := range soak(t, 50) {
				mode, first := []string{api.ReceiveAuto, api.ReceiveAll}[round%2], inbound.next()
				i := start(t, l, socket, slices.Concat(furnished, []string{"--receive", mode})...).ready(t)
				bystander := probeSpare(l)
				time.Sleep(time.Duration(r.Int64N(int64(10 * time.Millisecond))))
				i.signal(s)
				if code := i.end(t); code != 0 {
					t.Fatalf("round %d: exit code %d\n%s", round, code, i.log.String())
				}
				if !strings.Contains(i.log.String(), "device is gone") {
					t.Errorf("round %d: no farewell in the log:\n%s", round, i.log.String())
				}
				if _, err := os.Lstat(socket); !os.IsNotExist(err) {
					t.Fatalf("round %d: the file of the socket is still there: %v", round, err)
				}
				dead := inbound.next()
				sameState(t, l.Borea, before)
				inbound.backAfter(t, dead)
				if missing := inbound.missing(first, dead); mode == api.ReceiveAuto && len(missing) != 0 {
					t.Errorf("round %d: the slave never heard %v", round, missing)
				}
				if got := <-bystander; got.err != nil {
					t.Fatal(got.err)
				} else if got.Refused != 0 || got.Lost() != 0 && tcx {
					t.Errorf("round %d: a bystander lost %d packets, %d were refused (%v)", round, got.Lost(), got.Refused, got.Refusal)
				}
			}
			inbound.noneTwice(t)
			noOrphans(t, objects)
		})
	}
}

// TestEndsInEveryState: however the slave is, the daemon ends well.
func TestEndsInEveryState(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		state string
		args  []string
		make  func(t *testing.T, l *lab.Lab)
	}{
		{api.SlaveNone, nil, func(*testing.T, *lab.Lab) {}},
		{api.SlaveUp, []string{"--slave", "eth0"}, func(*testing.T, *lab.Lab) {}},
		{api.SlaveDown, []string{"--slave", "eth0"}, func(t *testing.T, l *lab.Lab) { setUp(t, l.Borea, false) }},
		{api.SlaveDown, []string{"--slave", "eth0"}, func(t *testing.T, l *lab.Lab) { setUp(t, l.Morgana, false) }},
		{api.SlaveGone, []string{"--slave", "eth0"}, func(t *testing.T, l *lab.Lab) { unplug(t, l, "eth0") }},
	} {
		l := newLab(t)
		i := start(t, l, "@insane", tt.args...).ready(t)
		tt.make(t, l)
		eventually(t, "the slave to be "+tt.state, func() bool {
			now, err := i.Client.Info(t.Context())
			return err == nil && now.SlaveState == tt.state
		})
		i.signal(syscall.SIGTERM)
		if code := i.end(t); code != 0 {
			t.Errorf("slave %s: exit code %d\n%s", tt.state, code, i.log.String())
		}
	}
}

// TestSecondSignal: impatience changes nothing.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	before := stateOf(t, l.Borea)
	for range soak(t, 10) {
		i := start(t, l, "@insane", furnished...).ready(t)
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGTERM} {
			i.signal(s)
		}
		<-i.exited
		sameState(t, l.Borea, before)
	}
}

// probed is what became of a stream.
type probed struct {
	*lab.Result
	err error
}

// probeSpare sends past any device, from eth0 to an address of morgana that
// nobody re-routes, for 100 ms.
func probeSpare(l *lab.Lab) <-chan probed {
	done := make(chan probed, 1)
	go func() {
		r, err := lab.Probe{
			From: l.Borea, To: l.Morgana, Address: l.Morgana.SpareIPv4,
			Count: 300, Rate: 3000, Settle: 20 * time.Millisecond,
		}.Run(context.Background())
		done <- probed{r, err}
	}()
	return done
}
