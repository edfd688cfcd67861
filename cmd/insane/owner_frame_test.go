package main

import (
	"fmt"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab"
)

// What TestOwnerOfEveryFrame does at least.
const (
	ownedPackets = 110_000
	ownedChanges = 1_100
)

// TestOwnerOfEveryFrame: whatever changes, each packet that arrives at the slave
// reaches the host once, through the slave or through insane, unless the counters
// say that it was dropped.
func TestOwnerOfEveryFrame(t *testing.T) {
	b := newOwners(t)
	b.silence(t)
	c := b.newCensus(t)
	// As long as every address stays somewhere and policies pass, nothing may
	// get lost, whoever it belongs to.
	if !t.Run("pass", func(t *testing.T) {
		c.run(t, b.harmless(t), func(lost verdict) error {
			if lost != (verdict{}) {
				return fmt.Errorf("%+v, though nothing was asked to be lost", lost)
			}
			return nil
		})
	}) {
		return // what is still under way would be counted
	}
	// Else what is missing was dropped by the device, or the host did not have
	// the address any more.
	t.Run("anything", func(t *testing.T) {
		c.run(t, append(b.harmless(t), b.harmful(t)...), func(lost verdict) error {
			if lost.dropped == 0 || lost.refused == 0 {
				return fmt.Errorf("%+v: nothing that was asked for was lost", lost)
			}
			return nil
		})
	})
}

// silence makes the test's packets the only ones that morgana sends: nobody asks
// for neighbours, and what the kernel says of a new link is said.
func (b *testbed) silence(t *testing.T) {
	t.Helper()
	wired, near := b.link(t, b.Borea, lab.Link), b.link(t, b.Borea, device)
	b.believe(t, wired, near)
	// Else borea would ask for whom she has to tell that an address is gone: the
	// device loses its neighbours when it goes down.
	b.ip(t, "link", "set", lab.Link, "arp", "off")
	b.ip(t, "link", "set", device, "arp", "off")
	b.sysctl(t, b.Borea, "ipv6/conf/"+device+"/keep_addr_on_down", "1")
	pin(t, b.Morgana, b.link(t, b.Morgana, lab.Link), b.Borea.SpareIPv4, wired.Attrs().HardwareAddr)
	pin(t, b.Morgana, b.link(t, b.Morgana, lab.Link), b.Borea.SpareIPv6, wired.Attrs().HardwareAddr)
	b.awaitQuiet(t)
}
