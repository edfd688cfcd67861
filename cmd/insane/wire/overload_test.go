package wire

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestOverloadIsAccountedFor: if more packets are sent than the relay can carry, each
// packet is in the counters, and the counters agree with the kernel's. The fast path cannot
// be overrun.
func TestOverloadIsAccountedFor(t *testing.T) {
	eachOverload(t, func(t *testing.T, path, text string) {
		b := testbed.New(t, path)
		onlyIPv4(t, b)
		o := newOverload(t, b, text)
		f := b.NewFlow(t, 4)
		burst(t, f, o, 150_000)
		// Even a fast machine relays nothing while the daemon is stopped.
		stop(t, b, func() { burst(t, f, o, 20_000) })
		o.check(t, f)
	})
}

// eachOverload runs a test for the policies and paths that differ under load.
func eachOverload(t *testing.T, test func(t *testing.T, path, text string)) {
	type way struct{ path, text string }
	ways := []way{
		{api.PathRelay, "pass"}, {api.PathRelay, "percent 50"}, {api.PathKernel, "percent 50"}, {api.PathRelay, "rate 20mbit delay 20ms"},
	}
	if testbed.Long(t) {
		ways = append(ways, way{api.PathRelay, "delay 20ms"}, way{api.PathRelay, "percent 50 duplicate 20 delay 20ms"})
	}
	for _, tt := range ways {
		t.Run(tt.path+"/"+tt.text, func(t *testing.T) { test(t, tt.path, tt.text) })
	}
}

// overload compares counters at its creation with counters at check.
type overload struct {
	testbed.Account
	sent       int
	tap, slave counters
}

// counters are counters of the kernel, to compare with those of the device.
type counters struct{ sent, dropped uint64 }

func sending(t testing.TB, b *testbed.Bed, link string) counters {
	s := b.Counters(t, b.Borea, link)
	return counters{s.TxPackets, s.TxDropped}
}

func newOverload(t testing.TB, b *testbed.Bed, text string) *overload {
	t.Helper()
	_, a := b.Begin(t, text, 19)
	return &overload{Account: a, tap: sending(t, b, testbed.Device), slave: sending(t, b, lab.Link)}
}

// burst sends count packets as fast as sendmmsg(2) can. The sender sees no loss.
func burst(t testing.TB, f *testbed.Flow, o *overload, count int) {
	t.Helper()
	for left := count; left > 0; {
		batch := f.Messages[:min(left, len(f.Messages))]
		for i := range batch {
			batch[i].Buffers[0] = batch[i].Buffers[0][:36]
			testbed.Fill(batch[i].Buffers[0], o.sent+i)
		}
		n, err := f.Sender.WriteBatch(batch, 0)
		if err != nil {
			t.Fatalf("send packet %d: %v", o.sent, err)
		}
		o.sent += n
		left -= n
	}
}

// stop stops the daemon while fn runs.
func stop(t testing.TB, b *testbed.Bed, fn func()) {
	t.Helper()
	pid := b.Daemon.PID()
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Kill(pid, unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}()
	fn()
}

func (o *overload) check(t testing.TB, f *testbed.Flow) {
	t.Helper()
	s := o.Settle(t, o.sent)
	o.checkOverruns(t, s)
	accounted := s.Relayed.Packets + s.Overruns + s.NoMemory
	for _, c := range s.Dropped {
		accounted += c.Packets
	}
	if accounted != uint64(o.sent)+s.Copied.Packets {
		t.Errorf("%d packets were sent, %d copied, %d are accounted for: %+v", o.sent, s.Copied.Packets, accounted, s)
	}
	tap, slave := sending(t, o.Bed, testbed.Device), sending(t, o.Bed, lab.Link)
	lost := slave.dropped - o.slave.dropped // that the cable itself could not take
	if o.Bed.Path == api.PathKernel {
		if n := tap.sent - o.tap.sent; n != 0 {
			t.Errorf("%d frames went by the relay", n)
		}
		// The fast path does not know what happens to frames that it sends.
		if n := slave.sent - o.slave.sent + lost; n != s.Relayed.Packets {
			t.Errorf("relayed %d packets, the slave had %d to send", s.Relayed.Packets, n)
		}
		o.checkArrival(t, f, s.Relayed.Packets-lost)
		return
	}
	if n := tap.sent - o.tap.sent; n != s.Offered.Packets {
		t.Errorf("offered %d packets, the kernel says %d", s.Offered.Packets, n)
	}
	if n := tap.dropped - o.tap.dropped; n != s.Overruns {
		t.Errorf("%d overruns, the kernel says %d", s.Overruns, n)
	}
	if n := slave.sent - o.slave.sent; n != s.Relayed.Packets {
		t.Errorf("relayed %d packets, the slave sent %d", s.Relayed.Packets, n)
	}
	if busy := s.Dropped[api.DropSlaveBusy].Packets; lost != busy { // is refused to the relay, which says so
		t.Errorf("%d packets were dropped as %s, the slave says %d", busy, api.DropSlaveBusy, lost)
	}
	o.checkArrival(t, f, s.Relayed.Packets)
}

// checkOverruns fails unless the relay was overrun, or if the fast path was.
func (o *overload) checkOverruns(t testing.TB, s api.Stats) {
	t.Helper()
	switch fast := o.Bed.Path == api.PathKernel; {
	case !fast && s.Overruns == 0:
		t.Error("no overruns: this was no overload")
	case fast && s.Overruns != 0:
		t.Errorf("%d overruns of the fast path", s.Overruns)
	}
}

// checkArrival fails unless all relayed packets arrive: in the receiver's socket, or in its
// kernel's counter for packets that the socket has no room for.
func (o *overload) checkArrival(t testing.TB, f *testbed.Flow, relayed uint64) {
	t.Helper()
	received, overflowed := uint64(0), uint64(0)
	for deadline := time.Now().Add(testbed.Longest); received+overflowed < relayed && time.Now().Before(deadline); {
		received += drain(f)
		overflowed = o.Bed.Counter(t, o.Bed.To, "snmp", "Udp:RcvbufErrors")
	}
	f.ExpectNothing(t)
	if received+overflowed != relayed {
		t.Errorf("relayed %d packets, %d arrived and the receiver had no room for %d", relayed, received, overflowed)
	}
}

// drain counts the packets that wait in the receiving socket.
func drain(f *testbed.Flow) (count uint64) {
	_ = f.In.SetReadDeadline(time.Now().Add(testbed.Longest))
	for {
		n, err := f.Receiver.ReadBatch(f.Arrived, unix.MSG_DONTWAIT)
		if err != nil || n == 0 {
			return count
		}
		count += uint64(n)
	}
}
