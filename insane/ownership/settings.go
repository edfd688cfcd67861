package ownership

import (
	"net/netip"
	"slices"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/kern"
)

// beside marks, while claims are computed, the destinations that the host reaches through the
// slave itself, and its own addresses for which it answers nobody. It answers no ARP request
// for them by proxy.
const beside kern.Claim = 1 << 31

// everything4 is the prefix of all IPv4 addresses.
var everything4 = netip.PrefixFrom(netip.IPv4Unspecified(), 0)

// proxies reports whether the host answers ARP requests on the slave in place of others.
func (h *HostState) proxies() bool { return h.OnSlave.ProxiesARP || len(h.Proxied) > 0 }

// isBeside reports whether a destination must be marked: only proxy ARP needs the mark, and a
// host can have many routes.
func (h *HostState) isBeside(r host.RouteEntry) bool {
	return h.proxies() && r.Dst.Addr().Is4() && through(r, map[int]bool{h.Slave: true})
}

// answerable returns a function that reports whether the device may answer an ARP request for
// an address of a link that is not above. own are the addresses of the links above. The
// device must be able to answer, and the slave must be one that would.
func (h *HostState) answerable(own map[netip.Prefix]bool) func(netip.Addr) bool {
	shared, onSlave := make(map[netip.Addr]bool), make(map[netip.Addr]bool)
	for p := range own {
		shared[p.Addr()] = true
	}
	for _, a := range h.Addresses {
		if a.Link == h.Slave {
			onSlave[a.Prefix.Addr()] = true
		}
	}
	return func(addr netip.Addr) bool {
		return (!h.OnDevice.IgnoresARP || shared[addr]) && (!h.OnSlave.IgnoresARP || onSlave[addr])
	}
}

// strict reports whether the reverse path check of a link refuses packets that arrive at
// another link than the one that the host sends to their source through.
func (h *HostState) strict(on host.Answering, index int) bool {
	return on.StrictReversePath || on.LooseReversePath && !slices.ContainsFunc(h.Addresses, func(a host.Address) bool {
		return a.Link == index && a.Prefix.Addr().Is4()
	})
}

// claimSettings adds to finished claims what follows from the settings of IPv4, and takes the
// marks away. A strict reverse path check refuses a packet that arrives at another link than
// the one that the host sends to its source through: that is the slave for what is routed
// through the device, and the device for everything else.
func (h *HostState) claimSettings(c kern.Claims, index int) {
	onDevice, onSlave := h.strict(h.OnDevice, index), h.strict(h.OnSlave, h.Slave)
	if !h.proxies() && !onSlave && !onDevice {
		return
	}
	proxied := make(map[netip.Prefix]bool)
	for _, addr := range h.Proxied {
		proxied[netip.PrefixFrom(addr, addr.BitLen())] = true
	}
	c[everything4] |= 0 // also what nothing else claims
	for p, claim := range c {
		if !p.Addr().Is4() {
			continue
		}
		if (h.OnSlave.ProxiesARP || proxied[p]) && claim&beside == 0 {
			claim |= kern.Proxied
		}
		strict := onDevice
		if claim&kern.Routed != 0 {
			strict = onSlave
		}
		if strict {
			claim |= kern.Strict
		}
		c[p] = claim &^ beside
	}
}
