package main

import "testing"

// The bystander's benchmarks are of traffic between addresses that are the
// slave's, from a host that is not routed through the device: in a lab with a
// device that takes other traffic, and in one without. What the device costs the
// host besides its own packets is little, so this wants many short rounds.

// BenchmarkBystanderTCP is one stream.
func BenchmarkBystanderTCP(b *testing.B) { benchBystander(b, benchTCP) }

// BenchmarkBystanderPackets is as many 64-byte packets as one sender can offer.
func BenchmarkBystanderPackets(b *testing.B) { benchBystander(b, benchPackets) }

func benchBystander(b *testing.B, run func(b *testing.B, sender, receiver benchEnd)) {
	with, without := newDeviceNet(b), &benchNet{Lab: newLab(b)}
	nets := inTurn([]*benchNet{without, with})
	for _, from := range []string{with.Borea.Name, with.Morgana.Name} {
		for _, n := range nets {
			device := "without"
			if n == with {
				device = "with"
			}
			path := benchPath{near: n.Borea.IPv4, far: n.Morgana.SpareIPv4}
			sender, receiver := n.ends(path, from)
			b.Run("from="+from+"/device="+device, func(b *testing.B) { run(b, sender, receiver) })
		}
	}
	with.checkBystanders(b)
}

// checkBystanders makes a run void in which the device was offered what is not its own.
func (n *benchNet) checkBystanders(b *testing.B) {
	b.Helper()
	const strangers = 100 // packets of the kernels: neighbours, multicast groups
	state := info(b, n.daemon)
	if tx, rx := state.TX.Stats.Offered.Packets, state.RX.Stats.Offered.Packets; tx+rx > strangers {
		b.Errorf("the device was offered %d and %d packets of a bystander", tx, rx)
	}
	n.checkBooks(b)
}
