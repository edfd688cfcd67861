package wire

import (
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestReceiveOverload: if more packets arrive than the relay can carry, each packet is in
// the counters, and the counters agree with the kernel's. The fast path cannot be overrun.
func TestReceiveOverload(t *testing.T) {
	eachOverload(t, func(t *testing.T, path, text string) {
		b := testbed.NewReceiver(t, path)
		onlyIPv4(t, b)
		// While the daemon is stopped, the slave gets packets of the device. They must not
		// reach the socket through the slave; with a strict reverse path check, the kernel
		// drops and counts them.
		b.Sysctl(t, b.Borea, "ipv4/conf/"+lab.Link+"/rp_filter", "1")
		o := newInrush(t, b, text)
		f := b.NewFlow(t, 4)
		burst(t, f, o.overload, 150_000)
		// Even a fast machine relays nothing while the daemon is stopped.
		stop(t, b, func() { burst(t, f, o.overload, 40_000) })
		o.check(t, f)
	})
}

// inrush is an overload of arriving packets. Its counters are those of the cable and of the
// host behind the device.
type inrush struct {
	*overload
	cable, host counters
	left        uint64
}

func newInrush(t testing.TB, b *testbed.Bed, text string) *inrush {
	t.Helper()
	_, a := b.Begin(t, text, 19)
	return &inrush{overload: &overload{Account: a}, cable: cable(t, b), host: host(t, b), left: leftToSlave(t, b)}
}

// cable counts the frames that came out of the cable, and those that the cable had no room
// for. The kernel counts the latter at the sending end (drivers/net/veth.c, veth_xmit).
func cable(t testing.TB, b *testbed.Bed) counters {
	return counters{
		sent:    b.Counters(t, b.Borea, lab.Link).RxPackets,
		dropped: b.Counters(t, b.Morgana, lab.Link).TxDropped,
	}
}

// host counts the packets that the relay passed on to its host, and those that the host had
// no room for.
func host(t testing.TB, b *testbed.Bed) counters {
	s := b.Counters(t, b.Borea, testbed.Device)
	return counters{s.RxPackets, s.RxDropped}
}

// leftToSlave counts the packets that the slave's stack got and refused.
func leftToSlave(t testing.TB, b *testbed.Bed) uint64 {
	return b.Counter(t, b.Borea, "netstat", "TcpExt:IPReversePathFilter")
}

func (o *inrush) check(t testing.TB, f *testbed.Flow) {
	t.Helper()
	b := o.Bed
	var arrived, lost, left uint64
	s := o.Stats(t)
	for deadline := time.Now().Add(testbed.Longest); ; time.Sleep(time.Millisecond) {
		now := cable(t, b)
		arrived, lost = now.sent-o.cable.sent, now.dropped-o.cable.dropped
		left = leftToSlave(t, b) - o.left
		if s = o.Stats(t); s.Offered.Packets+s.Overruns+left+lost >= uint64(o.sent) || time.Now().After(deadline) {
			break
		}
	}
	s = o.Settle(t, 0)
	t.Logf("sent %d, %d arrived: offered %d, overruns %d, left to the slave %d", o.sent, arrived, s.Offered.Packets, s.Overruns, left)
	o.checkOverruns(t, s)
	if arrived+lost != uint64(o.sent) {
		t.Errorf("%d packets were sent, %d arrived and the cable lost %d", o.sent, arrived, lost)
	}
	if n := s.Offered.Packets + s.Overruns + left; n != arrived {
		t.Errorf("%d packets arrived, %d are accounted for: %+v, left to the slave %d", arrived, n, s, left)
	}
	host, want := host(t, b), s.Relayed.Packets
	if b.Path == api.PathKernel {
		want = 0 // passes the interface by
	}
	if n := host.sent - o.host.sent; n != want {
		t.Errorf("relayed %d packets, %d of them to the interface; the kernel says %d", s.Relayed.Packets, want, n)
	}
	if n := host.dropped - o.host.dropped; n != 0 {
		t.Errorf("the kernel dropped %d packets that were relayed", n)
	}
	o.checkArrival(t, f, s.Relayed.Packets)
}
