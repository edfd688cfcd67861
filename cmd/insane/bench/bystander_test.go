package bench

import (
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// The bystander benchmarks measure traffic between addresses of the slave, from a host that
// is not routed through the device: in a lab with a device that takes other traffic, and in
// a lab without one. The device slows such traffic down by very little, so many short
// rounds are needed.

// BenchmarkBystanderTCP measures one TCP stream.
func BenchmarkBystanderTCP(b *testing.B) { benchBystander(b, benchTCP) }

// BenchmarkBystanderPackets sends as many 64-byte packets as one sender can.
func BenchmarkBystanderPackets(b *testing.B) {
	benchBystander(b, func(b *testing.B, sender, receiver benchEnd) { benchPackets(b, sender, receiver) })
}

func benchBystander(b *testing.B, run func(b *testing.B, sender, receiver benchEnd)) {
	with, without := newBusyDevice(b), &benchWay{Lab: labtest.New(b), name: "without"}
	ways := inTurn([]*benchWay{without, with})
	for _, from := range []string{with.Borea.Name, with.Morgana.Name} {
		for _, w := range ways {
			sender, receiver := benchEnd{w.Borea, w.Borea.IPv4}, benchEnd{w.Morgana, w.Morgana.SpareIPv4}
			if from == w.Morgana.Name {
				sender, receiver = receiver, sender
			}
			b.Run("from="+from+"/device="+w.name, func(b *testing.B) { run(b, sender, receiver) })
		}
	}
	with.checkBystanders(b)
}

// newBusyDevice makes a device that takes frames of each kind: from a host that is routed
// through it, and to its own address and network.
func newBusyDevice(b *testing.B) *benchWay {
	b.Helper()
	w := newDeviceWay(b, "with", api.PathKernel, api.ReceiveAuto, "--address", "10.8.0.1/24")
	h := w.Morgana.Netlink()
	link, err := h.LinkByName(lab.Link)
	if err != nil {
		b.Fatal(err)
	}
	far := netip.MustParsePrefix("10.8.0.2/24")
	prefix := &net.IPNet{IP: far.Addr().AsSlice(), Mask: net.CIDRMask(far.Bits(), 32)}
	if err := h.AddrAdd(link, &netlink.Addr{IPNet: prefix}); err != nil {
		b.Fatal(err)
	}
	return w
}

// checkBystanders makes a run invalid if the device was offered packets of the bystanders.
func (w *benchWay) checkBystanders(b *testing.B) {
	b.Helper()
	const foreign = 100 // packets of the kernels: neighbours, multicast groups
	state := labtest.Info(b, w.daemon)
	if tx, rx := state.TX.Stats.Offered.Packets, state.RX.Stats.Offered.Packets; tx+rx > foreign {
		b.Errorf("the device was offered %d and %d packets of a bystander", tx, rx)
	}
	w.check(b)
}
