package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func runProbe(t *testing.T, p Probe) *Result {
	t.Helper()
	r, err := p.Run(background)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A veth loses nothing, so the probe must say so, both ways, both families, and
// at the pace the story uses.
func TestProbeCountsWhatTheCableCarries(t *testing.T) {
	l := newLab(t, Options{})
	b, m := l.Borea, l.Morgana
	for _, tt := range []struct {
		from, to *Host
		address  netip.Addr
		payload  int
	}{
		{b, m, netip.Addr{}, 0},
		{b, m, m.IPv6, 8},
		{b, m, m.SpareIPv4, 1232},
		{m, b, b.IPv6, 1232},
	} {
		const count = 5000
		r := runProbe(t, Probe{From: tt.from, To: tt.to, Address: tt.address, Payload: tt.payload, Count: count, Rate: 10_000})
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
	l := newLab(t, Options{})
	p := Probe{From: l.Morgana, To: l.Borea, Source: l.Borea.SpareIPv4, Count: 1, Rate: 1000}
	if _, err := p.Run(background); !errors.Is(err, unix.EADDRNOTAVAIL) {
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
	l := newLab(t, Options{})
	r := runProbe(t, Probe{From: l.Borea, To: l.Morgana, Count: 20_000, Rate: 1_000_000, Payload: 1000, Buffer: 1})
	if r.Overflowed == 0 {
		t.Error("no overflow of a buffer for two packets")
	}
	if r.Lost() != 0 || r.Received+r.Overflowed != 20_000 {
		t.Errorf("received %d, overflowed %d, lost %d of 20000", r.Received, r.Overflowed, r.Lost())
	}
}

// The buffer must be what was asked for, also beyond what net.core.rmem_max
// allows to everybody; the kernel doubles it for its own book-keeping (socket(7)).
func TestProbeGetsItsBuffer(t *testing.T) {
	l := newLab(t, Options{})
	p, err := Probe{From: l.Borea, To: l.Morgana, Count: 1, Rate: 1}.complete()
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.receive()
	if err != nil {
		t.Fatal(err)
	}
	defer r.conn.Close()
	raw, err := r.conn.SyscallConn()
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
	l := newLab(t, Options{})
	link, err := l.Morgana.Netlink().LinkByName(Link)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := netlink.ParseAddr(l.Morgana.SpareIPv4.String() + "/24")
	if err != nil {
		t.Fatal(err)
	}
	p := Probe{From: l.Borea, To: l.Morgana, Address: l.Morgana.SpareIPv4, Count: 1000, Rate: 2000}
	r, err := p.runWith(func() {
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
	l := newLab(t, Options{})
	route := &netlink.Route{
		Dst:  &net.IPNet{IP: l.Morgana.SpareIPv4.AsSlice(), Mask: net.CIDRMask(32, 32)},
		Type: unix.RTN_UNREACHABLE,
	}
	p := Probe{From: l.Borea, To: l.Morgana, Address: l.Morgana.SpareIPv4, Count: 1000, Rate: 2000}
	r, err := p.runWith(func() {
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
func (p Probe) runWith(meanwhile func()) (*Result, error) {
	done := make(chan struct{})
	go func() { defer close(done); meanwhile() }()
	r, err := p.Run(background)
	<-done
	return r, err
}

func TestProbeEndsWithItsContext(t *testing.T) {
	l := newLab(t, Options{})
	ctx, cancel := context.WithCancel(background)
	cancel()
	_, err := Probe{From: l.Borea, To: l.Morgana, Count: 1000, Rate: 1}.Run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestProbeRefusesNonsense(t *testing.T) {
	good := Probe{From: borea(), To: morgana(), Count: 1, Rate: 1}
	for _, tt := range []struct {
		change func(*Probe)
		want   string
	}{
		{func(p *Probe) { p.Count = 0 }, "probe count 0: must be 1 to 10000000 packets"},
		{func(p *Probe) { p.Rate = -1 }, "probe rate -1: must be 1 to 1000000 packets per second"},
		{func(p *Probe) { p.Payload = 7 }, "probe payload 7: must be 8 to 1232 bytes"},
		{func(p *Probe) { p.Payload = 1233 }, "probe payload 1233: must be 8 to 1232 bytes"},
		{func(p *Probe) { p.Buffer = -1 }, "probe buffer -1: must be 1 to 1073741824 bytes"},
		{func(p *Probe) { p.Settle = -1 }, "probe settle -1ns: must not be negative"},
	} {
		p := good
		tt.change(&p)
		if _, err := p.Run(background); fmt.Sprint(err) != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

func TestResultCountsArrivals(t *testing.T) {
	r := newResult(6)
	for i, index := range []uint64{0, 2, 1, 2, 4, 6, 1 << 63, 3} {
		r.addArrival(index, time.Duration(i), time.Duration(i))
	}
	r.addSent(sentPackets{at: []time.Duration{0, 1, 2, 3, 4, never}, refused: 1})
	if r.Received != 5 || r.Reordered != 2 || r.Duplicates != 1 || r.Strays != 2 || r.Sent != 5 || r.Lost() != 0 {
		t.Errorf("%+v", r)
	}
	if r.Arrived(5) || r.ReceivedAt[2] != 1 {
		t.Errorf("packet 5 arrived %v, packet 2 at %v", r.Arrived(5), r.ReceivedAt[2])
	}
}
