package host

import (
	"errors"
	"net/netip"
	"slices"
)

// GivenRoutes are the destinations that were asked to lead through the device. They
// borrow gateway and source address from the slave, and follow them: when an
// address goes, the kernel removes the IPv4 routes that prefer it
// (net/ipv4/fib_semantics.c, fib_sync_down_addr), and the packets would slip
// past the device. An address that goes and comes back before anybody looks leaves
// no other trace, so such a route is looked for after every change; a person who
// wants it gone ends the device. Any other route that a person removes while the
// interface is up stays removed until the slave's addresses change.
// One goroutine may use them at a time.
type GivenRoutes struct {
	Wanted []netip.Prefix
	have   map[netip.Prefix]Route // as they were made
}

// RouteState is what is to be done about one of the routes.
type RouteState struct {
	Want Route // with what it borrows from the slave's addresses now
	Lost bool  // the kernel has removed it, with an address that it preferred
}

// Keep makes each route what it is to be by now.
func (r *GivenRoutes) Keep(i *Interface, seen []RouteState) error {
	if r.have == nil {
		r.have = make(map[netip.Prefix]Route)
	}
	var errs []error
	for _, s := range seen {
		dst := s.Want.Dst
		if have, ok := r.have[dst]; ok && have == s.Want && !s.Lost {
			continue
		}
		delete(r.have, dst) // on an error the next change of anything tries again
		if err := i.ReplaceRoute(s.Want); err != nil {
			errs = append(errs, err)
			continue
		}
		r.have[dst] = s.Want
	}
	return errors.Join(errs...)
}

// Forget says that the interface has lost all routes.
func (r *GivenRoutes) Forget() { r.have = nil }

// AddAddresses gives the interface addresses. Those that it has stay.
func (i *Interface) AddAddresses(list []netip.Prefix) error {
	for _, a := range list {
		if err := i.AddAddress(a); err != nil {
			return err
		}
	}
	return nil
}

// Restore gives the interface addresses that it has lost, and returns those that the
// kernel refuses; they do not keep it from the others.
func (i *Interface) Restore(list []netip.Prefix) (missing []netip.Prefix, err error) {
	for _, a := range list {
		if refused := i.AddAddress(a); refused != nil {
			missing, err = append(missing, a), errors.Join(err, refused)
		}
	}
	return missing, err
}

// Fitting are the addresses of a list that an interface with an MTU can have.
func Fitting(all []netip.Prefix, mtu int) []netip.Prefix {
	if mtu >= MinIPv6MTU {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(a netip.Prefix) bool { return a.Addr().Is6() })
}

// Only6 are the IPv6 addresses of a list: those that are lost when the kernel
// takes IPv6 off the interface.
func Only6(all []netip.Prefix) (list []netip.Prefix) {
	for _, a := range all {
		if a.Addr().Is6() {
			list = append(list, a)
		}
	}
	return list
}
