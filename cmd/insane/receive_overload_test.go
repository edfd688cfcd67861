package main

import (
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestReceiveOverload: of more packets than anybody could relay each one is in
// the counters, and the counters say what the kernel says. The fast path cannot be overrun.
func TestReceiveOverload(t *testing.T) {
	eachOverload(t, func(t *testing.T, path, text string) {
		b := newReceiver(t, path)
		b.onlyIPv4(t)
		// What a daemon that stands still leaves to the slave must not arrive by
		// that way; with a strict reverse path the kernel drops and counts it.
		b.sysctl(t, b.Borea, "ipv4/conf/"+lab.Link+"/rp_filter", "1")
		o := b.inrush(t, text)
		f := b.newFlow(t, 4)
		f.burst(t, o.overload, 150_000)
		// However fast the machine is, it does not relay while it sleeps.
		b.stop(t, func() { f.burst(t, o.overload, 40_000) })
		o.check(t, f)
	})
}

// inrush is an overload of what arrives. Its counters are those of the cable,
// and of the host behind the device.
type inrush struct {
	*overload
	cable, host counters
	left        uint64
}

func (b *testbed) inrush(t testing.TB, text string) *inrush {
	t.Helper()
	_, a := b.begin(t, text, 19)
	return &inrush{overload: &overload{account: a}, cable: b.cable(t), host: b.host(t), left: b.leftToSlave(t)}
}

// cable is what came out of it, and what it had no room for. That is counted at
// the end where it went in (drivers/net/veth.c, veth_xmit).
func (b *testbed) cable(t testing.TB) counters {
	return counters{
		sent:    b.counters(t, b.Borea, lab.Link).RxPackets,
		dropped: b.counters(t, b.Morgana, lab.Link).TxDropped,
	}
}

// host is what the relay passed on to its host, and what that had no room for.
func (b *testbed) host(t testing.TB) counters {
	s := b.counters(t, b.Borea, device)
	return counters{s.RxPackets, s.RxDropped}
}

// leftToSlave is what the slave's stack got and had to refuse.
func (b *testbed) leftToSlave(t testing.TB) uint64 {
	return b.counter(t, b.Borea, "netstat", "TcpExt:IPReversePathFilter")
}

func (o *inrush) check(t testing.TB, f *flow) {
	t.Helper()
	b := o.bed
	var arrived, lost, left uint64
	s := o.stats(t)
	for deadline := time.Now().Add(longest); ; time.Sleep(time.Millisecond) {
		now := b.cable(t)
		arrived, lost = now.sent-o.cable.sent, now.dropped-o.cable.dropped
		left = b.leftToSlave(t) - o.left
		if s = o.stats(t); s.Offered.Packets+s.Overruns+left+lost >= uint64(o.sent) || time.Now().After(deadline) {
			break
		}
	}
	t.Logf("sent %d, %d arrived: offered %d, overruns %d, left to the slave %d", o.sent, arrived, s.Offered.Packets, s.Overruns, left)
	o.checkOverruns(t, s)
	if arrived+lost != uint64(o.sent) {
		t.Errorf("%d packets were sent, %d arrived and the cable lost %d", o.sent, arrived, lost)
	}
	if n := s.Offered.Packets + s.Overruns + left; n != arrived {
		t.Errorf("%d packets arrived, %d are accounted for: %+v, left to the slave %d", arrived, n, s, left)
	}
	host, want := b.host(t), s.Relayed.Packets
	if b.path == api.PathKernel {
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
