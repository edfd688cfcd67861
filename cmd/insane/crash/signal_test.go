package crash

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"

	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

// TestSignalEndsWell ends the daemon with a signal while packets pass through it. It ends
// with status 0, the host is as before, and the file of the socket is gone. Streams that do
// not pass the device lose no packet, in either direction. The slave gets back the frames
// that the device took, with a loss of at most one packet.
func TestSignalEndsWell(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			l, r := labtest.New(t), testbed.Seeded(t)
			socket := testbed.SocketPath(t, "insane")
			defer testbed.Flood(t, l)()
			testbed.KnowBorea(t, l, "10.9.0.1")
			inbound := testbed.NewProber(t, l, "10.9.0.4", "10.9.0.1")
			before, objects := testbed.StateOf(t, l.Borea), testbed.ObjectsNow(t)
			// Without tcx, the kernel removes or adds a clsact qdisc, and sends nothing
			// meanwhile (net/sched/sch_api.c, qdisc_graft).
			tcx := testbed.HasTCX(t)
			for round := range testbed.Soak(t, 12) {
				mode, first := []string{api.ReceiveAuto, api.ReceiveAll}[round%2], inbound.Next()
				i := testbed.Start(t, l, socket, slices.Concat(testbed.Furnished, []string{"--receive", mode})...).Ready(t)
				bystander := probeSpare(l)
				time.Sleep(time.Duration(r.Int64N(int64(10 * time.Millisecond))))
				i.Signal(s)
				if code := i.End(t); code != 0 {
					t.Fatalf("round %d: exit code %d\n%s", round, code, i.Log.String())
				}
				if !strings.Contains(i.Log.String(), "device is gone") {
					t.Errorf("round %d: no farewell in the log:\n%s", round, i.Log.String())
				}
				if _, err := os.Lstat(socket); !os.IsNotExist(err) {
					t.Fatalf("round %d: the file of the socket is still there: %v", round, err)
				}
				dead := inbound.Next()
				testbed.SameState(t, l.Borea, before)
				backAfter(t, inbound, dead)
				if missing := inbound.Missing(first, dead); mode == api.ReceiveAuto && len(missing) != 0 {
					t.Errorf("round %d: the slave never heard %v", round, missing)
				}
				if got := <-bystander; got.Err != nil {
					t.Fatal(got.Err)
				} else if got.Refused != 0 || got.Lost() != 0 && tcx {
					t.Errorf("round %d: a bystander lost %d packets, %d were refused (%v)", round, got.Lost(), got.Refused, got.Refusal)
				}
			}
			inbound.NoneTwice(t)
			testbed.NoOrphans(t, objects)
		})
	}
}

// TestEndsInEveryState: the daemon ends normally in each state of the slave.
func TestEndsInEveryState(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		state string
		args  []string
		make  func(t *testing.T, l *lab.Lab)
	}{
		{api.SlaveNone, nil, func(*testing.T, *lab.Lab) {}},
		{api.SlaveUp, []string{"--slave", "eth0"}, func(*testing.T, *lab.Lab) {}},
		{api.SlaveDown, []string{"--slave", "eth0"}, func(t *testing.T, l *lab.Lab) { labtest.SetUp(t, l.Borea, false) }},
		{api.SlaveDown, []string{"--slave", "eth0"}, func(t *testing.T, l *lab.Lab) { labtest.SetUp(t, l.Morgana, false) }},
		{api.SlaveGone, []string{"--slave", "eth0"}, func(t *testing.T, l *lab.Lab) { testbed.Unplug(t, l, "eth0") }},
	} {
		l := labtest.New(t)
		i := testbed.Start(t, l, "@insane", tt.args...).Ready(t)
		tt.make(t, l)
		labtest.Await(t, "the slave to be "+tt.state, func() bool {
			now, err := i.Client.Info(t.Context())
			return err == nil && now.SlaveState == tt.state
		})
		i.Signal(syscall.SIGTERM)
		if code := i.End(t); code != 0 {
			t.Errorf("slave %s: exit code %d\n%s", tt.state, code, i.Log.String())
		}
	}
}

// TestEndsDuringTheStart: a daemon that is ended while it starts, also if that takes long,
// leaves neither an interface nor the file of its socket.
func TestEndsDuringTheStart(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	before, socket, r := testbed.StateOf(t, l.Borea), testbed.SocketPath(t, "insane"), testbed.Seeded(t)
	there := func() bool { _, err := os.Lstat(socket); return err == nil }
	for range testbed.Soak(t, 5) {
		i := testbed.Start(t, l, socket, testbed.Furnished...)
		labtest.Await(t, "the file of the socket", there)
		time.Sleep(time.Duration(r.Int64N(int64(20 * time.Millisecond))))
		i.Signal(syscall.SIGTERM)
		if code := i.End(t); code != 0 {
			t.Errorf("exit code %d\n%s", code, i.Log.String())
		}
		if there() {
			t.Fatalf("the file of the socket is still there\n%s", i.Log.String())
		}
		testbed.SameState(t, l.Borea, before)
	}
}

// TestHangUp: when its terminal is gone, the daemon ends as with the other signals. Whoever
// runs the tests may ignore SIGHUP, as nohup(1) does, and a daemon would inherit that; it does
// not inherit that a signal is caught.
func TestHangUp(t *testing.T) {
	t.Parallel()
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(caught) })
	l := labtest.New(t)
	before, socket := testbed.StateOf(t, l.Borea), testbed.SocketPath(t, "insane")
	i := testbed.Start(t, l, socket, testbed.Furnished...).Ready(t)
	i.Signal(syscall.SIGHUP)
	if code := i.End(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, i.Log.String())
	}
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the file of the socket is still there: %v", err)
	}
	testbed.SameState(t, l.Borea, before)
}

// TestHangUpIgnored: a daemon that was started with SIGHUP ignored, as by nohup(1), goes on
// when its terminal is gone.
func TestHangUpIgnored(t *testing.T) {
	t.Parallel()
	labtest.NeedRoot(t)
	l, err := lab.New(lab.Options{Insane: []string{"sh", "-c", `trap "" HUP; exec insane "$@"`, "sh"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	d := labtest.StartDaemon(t, l, "--slave", lab.Link)
	if err := syscall.Kill(d.PID(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		labtest.Info(t, d)
		time.Sleep(10 * time.Millisecond)
	}
}

// TestSecondSignal: a second signal changes nothing.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	before := testbed.StateOf(t, l.Borea)
	for range testbed.Soak(t, 5) {
		i := testbed.Start(t, l, "@insane", testbed.Furnished...).Ready(t)
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGTERM} {
			i.Signal(s)
		}
		<-i.Exited
		testbed.SameState(t, l.Borea, before)
	}
}

// probeSpare sends packets for 100 ms from eth0 to an address of morgana that is not routed
// through the device.
func probeSpare(l *lab.Lab) <-chan testbed.Probed {
	done := make(chan testbed.Probed, 1)
	go func() {
		r, err := probe.Probe{
			From: l.Borea, To: l.Morgana, Address: l.Morgana.SpareIPv4,
			Count: 300, Rate: 3000, Settle: 20 * time.Millisecond,
		}.Run(context.Background())
		done <- testbed.Probed{Result: r, Err: err}
	}()
	return done
}
