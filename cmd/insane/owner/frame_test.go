package owner

import (
	"fmt"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// These are the least numbers of what TestOwnerOfEveryFrame does.
const (
	ownedPackets = 110_000
	ownedChanges = 1_100
)

// TestOwnerOfEveryFrame: whatever changes, each packet that arrives at the slave
// reaches the host once, through the slave or through insane, unless the counters
// say that it was dropped.
func TestOwnerOfEveryFrame(t *testing.T) {
	b := newOwners(t)
	silence(t, b)
	c := newCensus(t, b)
	// As long as every address stays somewhere and policies pass, nothing may
	// get lost, whoever it belongs to.
	if !t.Run("pass", func(t *testing.T) {
		c.run(t, harmless(t, b), func(lost verdict) error {
			if lost != (verdict{}) {
				return fmt.Errorf("%+v, though nothing was asked to be lost", lost)
			}
			return nil
		})
	}) {
		return // packets that are still under way would be counted
	}
	// Else what is missing was dropped by the device, or the host did not have
	// the address any more.
	t.Run("anything", func(t *testing.T) {
		c.run(t, append(harmless(t, b), harmful(t, b)...), func(lost verdict) error {
			if lost.dropped == 0 || lost.refused == 0 {
				return fmt.Errorf("%+v: nothing that was asked for was lost", lost)
			}
			return nil
		})
	})
}

// silence makes the test's packets the only ones that morgana sends: nobody asks
// for neighbours, and what the kernel says of a new link is said.
func silence(t *testing.T, b *testbed.Bed) {
	t.Helper()
	wired, near := labtest.LinkOf(t, b.Borea, lab.Link), labtest.LinkOf(t, b.Borea, testbed.Device)
	believe(t, b, wired, near)
	// Else borea would ask for whom she has to tell that an address is gone: the
	// device loses its neighbours when it goes down.
	ip(t, b, "link", "set", lab.Link, "arp", "off")
	ip(t, b, "link", "set", testbed.Device, "arp", "off")
	b.Sysctl(t, b.Borea, "ipv6/conf/"+testbed.Device+"/keep_addr_on_down", "1")
	pin(t, b.Morgana, labtest.LinkOf(t, b.Morgana, lab.Link), b.Borea.SpareIPv4, wired.Attrs().HardwareAddr)
	pin(t, b.Morgana, labtest.LinkOf(t, b.Morgana, lab.Link), b.Borea.SpareIPv6, wired.Attrs().HardwareAddr)
	b.AwaitQuiet(t)
}
