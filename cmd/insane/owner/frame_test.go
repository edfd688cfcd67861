package owner

import (
	"fmt"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// The least numbers of packets and changes for TestOwnerOfEveryFrame.
const (
	ownedPackets = 110_000
	ownedChanges = 1_100
)

// TestOwnerOfEveryFrame: during random changes, each packet that arrives at the slave
// reaches the host once, through the slave or through insane, unless the counters say that
// it was dropped.
func TestOwnerOfEveryFrame(t *testing.T) {
	b := newOwners(t)
	silence(t, b)
	c := newCensus(t, b)
	// As long as every address stays on some link and all policies are pass, no packet may
	// be lost.
	if !t.Run("pass", func(t *testing.T) {
		c.run(t, harmless(t, b), func(lost verdict) error {
			if lost != (verdict{}) {
				return fmt.Errorf("%+v, though nothing was asked to be lost", lost)
			}
			return nil
		})
	}) {
		return // packets that are still on their way would be counted
	}
	// Otherwise the device has dropped each missing packet, or the host did not have the
	// address any more.
	t.Run("anything", func(t *testing.T) {
		c.run(t, append(harmless(t, b), harmful(t, b)...), func(lost verdict) error {
			if lost.dropped == 0 || lost.refused == 0 {
				return fmt.Errorf("%+v: nothing that was asked for was lost", lost)
			}
			return nil
		})
	})
}

// silence makes morgana send only the packets of the test: it stops neighbour requests, and
// waits for reports of a new link.
func silence(t *testing.T, b *testbed.Bed) {
	t.Helper()
	wired, near := labtest.LinkOf(t, b.Borea, lab.Link), labtest.LinkOf(t, b.Borea, testbed.Device)
	believe(t, b, wired, near)
	// Otherwise borea would send neighbour requests before an ICMP error about a missing
	// address, because the device loses its neighbour entries when it goes down.
	ip(t, b, "link", "set", lab.Link, "arp", "off")
	ip(t, b, "link", "set", testbed.Device, "arp", "off")
	b.Sysctl(t, b.Borea, "ipv6/conf/"+testbed.Device+"/keep_addr_on_down", "1")
	pin(t, b.Morgana, labtest.LinkOf(t, b.Morgana, lab.Link), b.Borea.SpareIPv4, wired.Attrs().HardwareAddr)
	pin(t, b.Morgana, labtest.LinkOf(t, b.Morgana, lab.Link), b.Borea.SpareIPv6, wired.Attrs().HardwareAddr)
	b.AwaitQuiet(t)
}
