package relay

import (
	"net/netip"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/port/porttest"
)

// Source is that of a packet which was relayed after somebody asked.
func TestSource(t *testing.T) {
	want := netip.MustParseAddr("10.9.0.1") // of the packets of porttest
	r, far := newRelay(t, "pass")
	send := func(frames ...frame.Frame) {
		r.batch(frames)
		for len(far.Out) > 0 {
			<-far.Out
		}
	}
	expect := func(what string, want netip.Addr) {
		t.Helper()
		if got := r.Source(); got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	send(porttest.SuperFrame(0, 1, 18))
	expect("before anybody asked", netip.Addr{})
	send(arp(), porttest.SuperFrame(1, 1, 18), porttest.SuperFrame(2, 45, 100))
	expect("behind ARP", want)
	expect("nothing since", netip.Addr{})
	send(porttest.SuperFrame(3, 45, 100))
	expect("a super-frame", want)
	odd, short := porttest.SuperFrame(0, 1, 18), porttest.SuperFrame(0, 1, 18)
	copy(odd[frame.HeaderLen+12:], "\x88\xb5")
	send(odd, short[:frame.HeaderLen+14+20], short[:frame.HeaderLen+10])
	expect("something else, and packets cut short", netip.Addr{})
	if got := sourceOf(append([]byte{0x60, 7: 0}, netip.MustParseAddr("fd00:9::1").AsSlice()...)); got != netip.MustParseAddr("fd00:9::1") {
		t.Errorf("IPv6: %v", got)
	}
}
