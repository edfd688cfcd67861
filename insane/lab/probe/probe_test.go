package probe_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

func runProbe(t *testing.T, p probe.Probe) *probe.Result {
	t.Helper()
	r, err := p.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A veth loses nothing, so the probe must say so, both ways, both families, and
// at the pace the story uses.
func TestProbeCountsWhatTheCableCarries(t *testing.T) {
	l := labtest.New(t)
	b, m := l.Borea, l.Morgana
	for _, tt := range []struct {
		from, to *lab.Host
		address  netip.Addr
		payload  int
	}{
		{b, m, m.IPv4, 0},
		{b, m, m.IPv6, 8},
		{b, m, m.SpareIPv4, 1232},
		{m, b, b.IPv6, 1232},
	} {
		const count = 5000
		r := runProbe(t, probe.Probe{From: tt.from, To: tt.to, Address: tt.address, Payload: tt.payload, Count: count, Rate: 10_000})
		if r.Sent != count || r.Received != count || r.Lost() != 0 {
			t.Errorf("%s to %s: sent %d, received %d, lost %d", tt.from.Name, tt.address, r.Sent, r.Received, r.Lost())
		}
		if r.Duplicates+r.Reordered+r.Strays+r.Overflowed+r.Refused != 0 {
			t.Errorf("%s to %s: %+v", tt.from.Name, tt.address, r)
		}
		for i := 1; i < count; i++ {
			if !r.Arrived(i) || r.SentAt[i] < r.SentAt[i-1] || r.ReceivedAt[i] < r.ReceivedAt[i-1] || r.ReadAt[i] < max(r.SentAt[i], r.ReadAt[i-1]) {
				t.Errorf("packet %d: sent at %v, received at %v, read at %v", i, r.SentAt[i], r.ReceivedAt[i], r.ReadAt[i])
				break
			}
		}
		if last := r.SentAt[count-1]; last < 480*time.Millisecond {
			t.Errorf("%d packets in %v: faster than asked", count, last)
		}
	}
}

// The kernel refuses a source that is not the host's, so one that it takes is used.
func TestProbeHasTheSourceAskedFor(t *testing.T) {
	l := labtest.New(t)
	p := probe.Probe{From: l.Morgana, To: l.Borea, Source: l.Borea.SpareIPv4, Address: l.Borea.IPv4, Count: 1, Rate: 1000}
	if _, err := p.Run(context.Background()); !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Errorf("sent from %s, which nobody has: %v", p.Source, err)
	}
	p.Source = l.Morgana.SpareIPv4
	if r := runProbe(t, p); r.Received != 1 {
		t.Errorf("sent from %s: received %d of 1", p.Source, r.Received)
	}
}

// Packets that die in the receiver's buffer must be told apart from lost ones:
// they were carried.
func TestProbeTellsOverflowFromLoss(t *testing.T) {
	l := labtest.New(t)
	r := runProbe(t, probe.Probe{From: l.Borea, To: l.Morgana, Address: l.Morgana.IPv4, Count: 20_000, Rate: 1_000_000, Payload: 1000, Buffer: 1})
	if r.Overflowed == 0 {
		t.Error("no overflow of a buffer for two packets")
	}
	if r.Lost() != 0 || r.Received+r.Overflowed != 20_000 {
		t.Errorf("received %d, overflowed %d, lost %d of 20000", r.Received, r.Overflowed, r.Lost())
	}
}

// The buffer must be what was asked for, also beyond what net.core.rmem_max
// allows to everybody; the kernel doubles it for its own bookkeeping (socket(7)).
func TestProbeGetsItsBuffer(t *testing.T) {
	l := labtest.New(t)
	conn, err := probe.OpenReceiver(probe.Probe{From: l.Borea, To: l.Morgana, Address: l.Morgana.IPv4, Count: 1, Rate: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var size int
	if controlErr := raw.Control(func(fd uintptr) {
		size, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	}); controlErr != nil || err != nil {
		t.Fatal(controlErr, err)
	}
	if want := 2 * 16 << 20; size != want {
		t.Errorf("%d bytes, want %d", size, want)
	}
}

// Packets to a black hole must be counted as lost, exactly, and not as refused.
func TestProbeCountsLoss(t *testing.T) {
	l := labtest.New(t)
	link, err := l.Morgana.Netlink().LinkByName(lab.Link)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := netlink.ParseAddr(l.Morgana.SpareIPv4.String() + "/24")
	if err != nil {
		t.Fatal(err)
	}
	p := probe.Probe{From: l.Borea, To: l.Morgana, Address: l.Morgana.SpareIPv4, Count: 1000, Rate: 2000}
	r, err := runWith(p, func() {
		// Without the address, morgana takes the packets for somebody else's.
		time.Sleep(100 * time.Millisecond)
		if err := l.Morgana.Netlink().AddrDel(link, addr); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Lost() == 0 || r.Received == 0 || r.Sent+r.Refused != 1000 || r.Overflowed != 0 {
		t.Errorf("sent %d, refused %d, received %d, lost %d", r.Sent, r.Refused, r.Received, r.Lost())
	}
	arrived := 0
	for i := range 1000 {
		if r.Arrived(i) {
			arrived++
		}
	}
	if arrived != r.Received {
		t.Errorf("%d packets arrived by number, %d by count", arrived, r.Received)
	}
}

// A refusal by the sender's own kernel is what no fault may look like.
func TestProbeTellsRefusalFromLoss(t *testing.T) {
	l := labtest.New(t)
	route := &netlink.Route{
		Dst:  &net.IPNet{IP: l.Morgana.SpareIPv4.AsSlice(), Mask: net.CIDRMask(32, 32)},
		Type: unix.RTN_UNREACHABLE,
	}
	p := probe.Probe{From: l.Borea, To: l.Morgana, Address: l.Morgana.SpareIPv4, Count: 1000, Rate: 2000}
	r, err := runWith(p, func() {
		time.Sleep(100 * time.Millisecond)
		if err := l.Borea.Netlink().RouteAdd(route); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Refused == 0 || r.Sent+r.Refused != 1000 || r.Lost() != 0 {
		t.Errorf("sent %d, refused %d, lost %d", r.Sent, r.Refused, r.Lost())
	}
	if !errors.Is(r.Refusal, unix.EHOSTUNREACH) {
		t.Errorf("refused with %v, want EHOSTUNREACH", r.Refusal)
	}
	if i := len(r.SentAt) - 1; r.SentAt[i] >= 0 || r.Arrived(i) {
		t.Errorf("the last packet was sent at %v", r.SentAt[i])
	}
}

// runWith runs the probe while something happens.
func runWith(p probe.Probe, meanwhile func()) (*probe.Result, error) {
	done := make(chan struct{})
	go func() { defer close(done); meanwhile() }()
	r, err := p.Run(context.Background())
	<-done
	return r, err
}

func TestProbeEndsWithItsContext(t *testing.T) {
	l := labtest.New(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := probe.Probe{From: l.Borea, To: l.Morgana, Address: l.Morgana.IPv4, Count: 1000, Rate: 1}.Run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
