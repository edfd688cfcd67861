package decide

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Each thing that is wrong around a working device is one warning, which names it.
func TestWarnings(t *testing.T) {
	mac := func(last byte) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0, last} }
	for _, tt := range []struct {
		what   string
		change func(*Config, *observe.Host)
		want   []api.Warning
	}{
		{"nothing", func(*Config, *observe.Host) {}, nil},
		{"one queue", func(_ *Config, h *observe.Host) { h.Interface.Link.Queues = 1 }, nil},
		{"three queues", func(_ *Config, h *observe.Host) { h.Interface.Link.Queues = 3 }, []api.Warning{{Kind: api.WarnQueue,
			Message: "insane: another program has opened the interface (2 further queues): it can take packets, " +
				"which are not counted, and keeps the interface there when the daemon has ended"}}},
		{"another name", func(_ *Config, h *observe.Host) { h.Interface.Link.Name = "lan\xff" }, []api.Warning{{Kind: api.WarnRenamed,
			Message: `the interface is called lan\xff now; the device is still insane`}}},
		{"another address for a moment", func(c *Config, h *observe.Host) {
			h.Slave.Link.MAC, h.Interface.Link.MAC = mac(1), mac(2)
		}, nil},
		{"the address of a bond", func(c *Config, h *observe.Host) {
			h.Slave.Link.MAC, h.Interface.Link.MAC, h.Interface.Link.Bonded = mac(1), mac(2), true
		}, []api.Warning{{Kind: api.WarnAddress, Message: "insane has the MAC address 02:00:00:00:00:02 of its bond, and not " +
			"02:00:00:00:00:01 of eth0: what arrives for it is lost unless eth0 receives it"}}},
		{"a VLAN", func(_ *Config, h *observe.Host) { h.Ownership.Above = []string{"vlan7", "vlan8"} }, []api.Warning{{Kind: api.WarnStacked,
			Message: "vlan7 is on top of insane: with receive auto, what arrives for it is the slave's; receive all brings it"}}},
		{"a VLAN, receive all", func(c *Config, h *observe.Host) {
			c.Receive, h.Ownership.Above = api.ReceiveAll, []string{"vlan7"}
		}, nil},
		{"packets past the device", func(c *Config, _ *observe.Host) {
			all, half, morgana := netip.MustParsePrefix("::/0"), netip.MustParsePrefix("::/1"), netip.MustParsePrefix("10.9.0.2/32")
			c.Bypasses = []host.Bypass{{Dst: all, Link: "tun0", Route: half, Table: 254}, {Dst: morgana, Link: "eth0", Route: morgana, Table: 100},
				{Dst: all, Link: "eth0", Route: all, Table: 254}}
		}, []api.Warning{
			{Kind: api.WarnBypass, Message: "insane: packets to ::/0 leave through tun0, unfaulted: the host has a narrower route, to ::/1"},
			{Kind: api.WarnBypass, Message: "insane: packets to 10.9.0.2/32 leave through eth0, unfaulted: a rule leads to routing table 100 (ip rule)"},
			{Kind: api.WarnBypass, Message: "insane: packets to ::/0 leave through eth0, unfaulted: the device has no route there now"},
		}},
		{"away, and nothing else is known", func(_ *Config, h *observe.Host) {
			h.Interface = observe.Interface{Away: true, Link: host.Link{Queues: 2}}
		}, []api.Warning{{Kind: api.WarnAway,
			Message: "insane is in another network namespace: what arrives at the slave is the slave's until it is back"}}},
	} {
		c, h := working()
		tt.change(&c, &h)
		got := Decide(c, h).Warnings
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.what, got, tt.want)
		}
		for _, w := range got {
			if !slices.Contains(api.WarningKinds(), w.Kind) {
				t.Errorf("%s: %s is no kind", tt.what, w.Kind)
			}
		}
	}
}

// An interface that is back from another network namespace is set up again, until that has
// succeeded; meanwhile the relay carries everything.
func TestRenew(t *testing.T) {
	for _, tt := range []struct {
		moved, returned, away bool
		want                  bool
	}{
		{false, false, false, false}, {false, true, false, true}, {true, false, false, true}, {true, false, true, false},
	} {
		c, h := working()
		c.Moved, h.Interface.Returned, h.Interface.Away = tt.moved, tt.returned, tt.away
		w := Decide(c, h)
		if w.Renew != tt.want || tt.moved && (w.RelayTX == "" || w.RelayRX == "") {
			t.Errorf("%+v: %v, relay %q and %q", tt, w.Renew, w.RelayTX, w.RelayRX)
		}
	}
}
