package wire

import (
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// TestVXLAN: super-frames of a VXLAN of the two hosts are carried in both directions on both
// paths, over IPv6 with an outer checksum. Exactly the packets arrive that the engine
// relays, and the counters know every packet and every byte.
func TestVXLAN(t *testing.T) {
	testbed.EachPath(t, func(t *testing.T, path string) {
		for _, outer := range []int{4, 6} {
			t.Run(fmt.Sprintf("IPv%d", outer), func(t *testing.T) {
				t.Parallel()
				b := testbed.New(t, path)
				vxlan(t, b, outer)
				t.Run("tx", func(t *testing.T) { insideVXLAN(t, b, outer) })
				back := b.Back()
				back.IPv4 = netip.MustParseAddr(insideBorea)
				t.Run("rx", func(t *testing.T) { insideVXLAN(t, back, outer) })
			})
		}
	})
}

// Addresses inside the VXLAN, and the MAC addresses of its ends.
const (
	insideBorea, insideMorgana = "10.77.0.1", "10.77.0.2"
	macBorea, macMorgana       = "02:77:00:00:00:01", "02:77:00:00:00:02"
)

// makeRoom gives the links an MTU that has room for a tunnel around packets of the usual
// MTU. Packets of the sender stay as long as usual.
func makeRoom(t *testing.T, b *testbed.Bed) {
	t.Helper()
	const roomy, usual = 1700, "1500"
	for _, h := range []*lab.Host{b.Borea, b.Morgana} {
		labtest.SetMTU(t, h, lab.Link, roomy)
	}
	testbed.AwaitMTU(t, b.Lab, b.Daemon, roomy)
	for to, from := range map[netip.Addr]netip.Addr{b.IPv4: b.From.IPv4, b.IPv6: b.From.IPv6} {
		labtest.Run(t, b.From, "ip", "route", "replace", to.String(), "dev", door(b, b.From), "src", from.String(), "mtu", usual)
	}
}

// vxlan connects the hosts by a VXLAN over a family. Its ends know each other, and say
// nothing by themselves. Packets go to the address that morgana has inside.
func vxlan(t *testing.T, b *testbed.Bed, outer int) {
	t.Helper()
	makeRoom(t, b)
	for _, end := range []struct {
		h                             *lab.Host
		local, remote                 netip.Addr
		mac, addr, otherMAC, otherEnd string
	}{
		{b.Borea, b.Borea.IPv4, b.Morgana.IPv4, macBorea, insideBorea, macMorgana, insideMorgana},
		{b.Morgana, b.Morgana.IPv4, b.Borea.IPv4, macMorgana, insideMorgana, macBorea, insideBorea},
	} {
		if outer == 6 {
			end.local, end.remote = end.h.IPv6, b.Morgana.IPv6
			if end.h == b.Morgana {
				end.remote = b.Borea.IPv6
			}
		}
		run := func(args ...string) { labtest.Run(t, end.h, "ip", args...) }
		run("link", "add", "vx0", "mtu", "1500", "address", end.mac, "type", "vxlan", "id", "42", "dstport", "4789",
			"local", end.local.String(), "remote", end.remote.String())
		b.Sysctl(t, end.h, "ipv6/conf/vx0/disable_ipv6", "1")
		run("address", "add", end.addr+"/24", "dev", "vx0")
		run("link", "set", "vx0", "up")
		run("neighbour", "add", end.otherEnd, "lladdr", end.otherMAC, "dev", "vx0", "nud", "permanent")
	}
	b.IPv4 = netip.MustParseAddr(insideMorgana)
	b.Quiet = testbed.FirstQuiet
}

// insideVXLAN sends super-frames of UDP, and then a stream of TCP, through the VXLAN.
func insideVXLAN(t *testing.T, b *testbed.Bed, outer int) {
	headers := 14 + map[int]int{4: 20, 6: 40}[outer] + 8 + 8 + 14 + 20 + 8
	for i, text := range []string{"pass", "percent 99"} {
		list := testbed.Supers(1000)
		f := b.NewFlow(t, 4)
		testbed.SetOption(t, f.Out, unix.SOL_UDP, unix.UDP_SEGMENT, testbed.Segment)
		program, a := b.Begin(t, text, uint64(i))
		want := uint64(0)
		for i := range int(list) {
			want += uint64(headers + list.Size(i))
		}
		f.Carry(t, a, program, testbed.Cargo{
			Count: int(list), Size: list.Size,
			Send: func(from, to int) { list.Send(t, f, from, to) },
		})
		if got := a.Stats(t).Offered; got.Bytes != want {
			t.Errorf("%s: %d packets of %d bytes offered, want %d bytes", text, got.Packets, got.Bytes, want)
		}
		streamWhole(t, b, 4, 2<<20, text, uint64(i))
	}
	checkChecksums(t, b)
}
