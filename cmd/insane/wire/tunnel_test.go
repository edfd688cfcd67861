package wire

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
)

// TestTunnels: super-frames of every kind of tunnel, and with VLAN tags, are carried in
// both directions on both paths. Exactly the packets arrive that the engine relays, with
// their contents, and the counters know every packet and every byte.
func TestTunnels(t *testing.T) {
	testbed.EachPath(t, func(t *testing.T, path string) {
		t.Run("tx", func(t *testing.T) {
			t.Parallel()
			tunnels(t, testbed.New(t, path))
		})
		t.Run("rx", func(t *testing.T) {
			t.Parallel()
			b := testbed.New(t, path).Back()
			takeAll(t, b)
			tunnels(t, b)
		})
	})
}

func tunnels(t *testing.T, b *testbed.Bed) {
	makeRoom(t, b)
	for _, u := range testbed.Tunnels() {
		t.Run(u.Name, func(t *testing.T) {
			u.Attach(t, b.From, door(b, b.From), b.To, door(b, b.To))
			for i, text := range []string{"pass", "percent 99"} {
				tunnelled(t, b, u, text, uint64(i))
			}
			checkChecksums(t, b)
		})
	}
}

// tunnelled sends super-frames of UDP, or a stream of TCP, or both, through a tunnel.
func tunnelled(t *testing.T, b *testbed.Bed, u testbed.Tunnel, text string, seed uint64) {
	// The host that gets a super-frame whole would cut datagrams for a socket, and the
	// program that takes it out of the tunnel does not tell the kernel that it is out.
	datagrams := !b.Receiving() || u.Protocol != unix.IPPROTO_UDP
	if datagrams {
		datagramsInside(t, b, u, text, seed)
	}
	if !datagrams || text != "pass" {
		streamWhole(t, b, u.Inner, 2<<20, text, seed)
	}
}

// datagramsInside sends super-frames of UDP. The counters have to know each byte of the
// packets that they are.
func datagramsInside(t *testing.T, b *testbed.Bed, u testbed.Tunnel, text string, seed uint64) {
	t.Helper()
	list := testbed.Supers(600)
	f := b.NewFlow(t, u.Inner)
	testbed.SetOption(t, f.Out, unix.SOL_UDP, unix.UDP_SEGMENT, testbed.Segment)
	program, a := b.Begin(t, text, seed)
	f.Carry(t, a, program, testbed.Cargo{
		Count: int(list), Size: list.Size,
		Send: func(from, to int) { list.Send(t, f, from, to) },
	})
	want := uint64(0)
	headers := map[int]int{4: 14 + 20 + 8, 6: 14 + 40 + 8}[u.Inner] + u.Overhead()
	for i := range int(list) {
		want += uint64(headers + list.Size(i))
	}
	if got := a.Stats(t).Offered; got.Bytes != want {
		t.Errorf("%s: %d packets of %d bytes offered, want %d bytes", text, got.Packets, got.Bytes, want)
	}
}

// TestTunnelGarbage: what arrives in tunnels, and with VLAN tags, are super-frames that no
// stack would send. The device continues to work, its counters balance, and valid frames
// that follow are handled correctly.
func TestTunnelGarbage(t *testing.T) {
	t.Parallel()
	b := testbed.New(t).Back()
	takeAll(t, b)
	makeRoom(t, b)
	for _, u := range testbed.Tunnels() {
		t.Run(u.Name, func(t *testing.T) {
			u.Attach(t, b.From, door(b, b.From), b.To, door(b, b.To))
			s, frames := offerGarbage(t, b, 1000, u.Inner)
			if s.Offered.Packets+s.Overruns < frames {
				t.Errorf("offered %d packets, %d overruns, but the cable handed over %d frames", s.Offered.Packets, s.Overruns, frames)
			}
		})
	}
}
