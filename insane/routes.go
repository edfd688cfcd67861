package insane

import (
	"errors"
	"net/netip"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/observe"
)

// routes are the destinations that were asked to lead through the device. They
// borrow gateway and source address from the slave, and follow them: when an
// address goes, the kernel removes the IPv4 routes that prefer it
// (net/ipv4/fib_semantics.c, fib_sync_down_addr), and the packets would slip
// past the device. An address that goes and comes back before anybody looks leaves
// no other trace, so such a route is looked for after every change; a person who
// wants it gone ends the device. Any other route that a person removes while the
// interface is up stays removed until the slave's addresses change.
type routes struct {
	wanted []netip.Prefix
	have   map[netip.Prefix]host.Route // as they were made
}

// keep makes each route what it is to be by now.
func (r *routes) keep(iface *host.Interface, seen []observe.Route) error {
	if r.have == nil {
		r.have = make(map[netip.Prefix]host.Route)
	}
	var errs []error
	for _, s := range seen {
		dst := s.Want.Dst
		if have, ok := r.have[dst]; ok && have == s.Want && !s.Lost {
			continue
		}
		delete(r.have, dst) // on an error the next change of anything tries again
		if err := iface.ReplaceRoute(s.Want); err != nil {
			errs = append(errs, err)
			continue
		}
		r.have[dst] = s.Want
	}
	return errors.Join(errs...)
}

// forget says that the interface has lost all routes.
func (r *routes) forget() { r.have = nil }

// giveAddresses gives the interface addresses. Those that it has stay.
func giveAddresses(iface *host.Interface, list []netip.Prefix) error {
	for _, a := range list {
		if err := iface.AddAddress(a); err != nil {
			return err
		}
	}
	return nil
}

// addresses6 are the IPv6 addresses of a list: those that are lost when the kernel
// takes IPv6 off the interface.
func addresses6(all []netip.Prefix) (list []netip.Prefix) {
	for _, a := range all {
		if a.Addr().Is6() {
			list = append(list, a)
		}
	}
	return list
}
