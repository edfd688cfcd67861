package insane

import (
	"errors"
	"net/netip"

	"github.com/seed-39a139a1/insane/insane/host"
)

// routes are the destinations that were asked to lead through the device. They
// borrow gateway and source address from the slave, and follow them: when an
// address goes, the kernel removes the IPv4 routes that prefer it
// (net/ipv4/fib_semantics.c, fib_sync_down_addr), and the packets would slip
// past the device. An address that goes and comes back before anybody looks leaves
// no other trace, so such a route is looked for after every change; whoever wants
// it gone ends the device. Any other route that a person removed stays removed
// until the slave's addresses change.
type routes struct {
	wanted []netip.Prefix
	have   map[netip.Prefix]host.Route
}

// keep makes each route what the slave's addresses want it to be now.
func (r *routes) keep(h *presence) error {
	if r.have == nil {
		r.have = make(map[netip.Prefix]host.Route)
	}
	var errs []error
	for _, dst := range r.wanted {
		want := host.Route{Dst: dst}
		if h.slave.port != nil {
			want = h.links.Borrow(dst, h.slave.link.Index)
		}
		if have, ok := r.have[dst]; ok && have == want && !lost(h.iface, want) {
			continue
		}
		delete(r.have, dst) // on an error the next change of anything tries again
		if err := h.iface.ReplaceRoute(want); err != nil {
			errs = append(errs, err)
			continue
		}
		r.have[dst] = want
	}
	return errors.Join(errs...)
}

// lost reports whether the kernel has removed a route with an address that it
// preferred.
func lost(iface *host.Interface, r host.Route) bool {
	if !r.Source.Is4() {
		return false
	}
	there, err := iface.HasRoute(r.Dst)
	return err == nil && !there
}
