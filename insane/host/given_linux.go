package host

import (
	"errors"
	"net/netip"
	"slices"
)

// GivenRoutes are the routes through the device that the user asked for. Each route has the
// same gateway and source address as the slave's own route, and follows changes of the
// slave's addresses. When an address is removed, the kernel removes the IPv4 routes that
// prefer it as source (net/ipv4/fib_semantics.c, fib_sync_down_addr), and the packets would
// bypass the device. If an address is removed and added again before the device looks, the
// lost route is the only trace; so the device looks for such routes after every change. A
// user who wants such a route removed must end the device. Any other route that a user
// removes while the interface is up stays removed until the slave's addresses change. Only
// one goroutine at a time may use GivenRoutes.
type GivenRoutes struct {
	Wanted []netip.Prefix
	have   map[netip.Prefix]Route // as last added
}

// RouteState says what the device must do about one of the routes.
type RouteState struct {
	Want Route // with the gateway and source address that the slave's addresses give now
	Lost bool  // the kernel has removed it, together with an address that it preferred
}

// Keep adds or changes the routes according to seen. It returns true if it added or changed
// one. It waits for the kernel's lock on network configuration. It joins all errors.
func (r *GivenRoutes) Keep(i *Interface, seen []RouteState) (changed bool, err error) {
	if r.have == nil {
		r.have = make(map[netip.Prefix]Route)
	}
	var errs []error
	for _, s := range seen {
		dst := s.Want.Dst
		if have, ok := r.have[dst]; ok && have == s.Want && !s.Lost {
			continue
		}
		delete(r.have, dst) // after an error, the next change of any kind tries again
		if err := i.ReplaceRoute(s.Want); err != nil {
			errs = append(errs, err)
			continue
		}
		r.have[dst], changed = s.Want, true
	}
	return changed, errors.Join(errs...)
}

// Forget records that the interface has lost all routes.
func (r *GivenRoutes) Forget() { r.have = nil }

// AddAddresses adds addresses to the interface. It is no error if the interface has one
// already.
func (i *Interface) AddAddresses(list []netip.Prefix) error {
	for _, a := range list {
		if err := i.AddAddress(a); err != nil {
			return err
		}
	}
	return nil
}

// Restore adds addresses that the interface has lost. It returns the addresses that the
// kernel refuses; it adds the others nevertheless. err joins the refusals.
func (i *Interface) Restore(list []netip.Prefix) (missing []netip.Prefix, err error) {
	for _, a := range list {
		if refused := i.AddAddress(a); refused != nil {
			missing, err = append(missing, a), errors.Join(err, refused)
		}
	}
	return missing, err
}

// Fitting returns the addresses of a list that an interface with this MTU (bytes) can have:
// the kernel has no IPv6 on an interface whose MTU is below MinIPv6MTU.
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
