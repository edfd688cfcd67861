package host

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// GivenRoutes are the routes through the device that the user asked for. Each route has the
// same gateway and source address as the slave's own route, and follows its changes. A
// default route waits until the slave has one: until then its packets could go nowhere.
//
// A route that the kernel removes is put back: with an address, the kernel removes the IPv4
// routes that prefer it as source (net/ipv4/fib_semantics.c, fib_sync_down_addr). So is one
// that somebody replaces, or puts another in front of. A route that somebody deletes by
// netlink stays deleted until the interface goes down and up again.
//
// Only one goroutine at a time may use GivenRoutes.
type GivenRoutes struct {
	given map[netip.Prefix]*given
	blind bool // as of the last Keep: there is no slave that could say more

	bypasses []Bypass // that were seen by the last Keep that had nothing to change
}

// given is the state of one of the routes.
type given struct {
	last    Route   // as last put; the zero Route: must be put again
	entries []entry // of it in the kernel's table, as far as the device knows
	halves  bool    // the entries are to the two halves of the destination
	waits   bool    // for a default route of the slave
	deleted bool    // somebody has deleted it
}

// RouteState says what the device must do about one of the routes.
type RouteState struct {
	Want    Route // with the gateway and source address that the slave's addresses give now
	Way     bool  // the slave has a route to the destination, or to a wider one
	Blind   bool  // the slave is gone or down, and tells nothing: a route stays as it is
	Lost    bool  // it is not the first one to its destination any more: see Interface.Lost
	Deleted bool  // somebody has deleted it

	Bypass *Bypass // how packets to the destination leave past the device; nil: they do not
}

// Keep adds or changes the routes according to seen. It returns true if it added, changed or
// removed one. It waits for the kernel's lock on network configuration. It joins all errors;
// after an error the next call tries again. It logs, once, that there is no slave, which route
// waits, and which one was deleted.
func (r *GivenRoutes) Keep(i *Interface, seen []RouteState, log *slog.Logger) (changed bool, err error) {
	if r.given == nil {
		r.given = make(map[netip.Prefix]*given)
	}
	if len(seen) > 0 {
		if seen[0].Blind && !r.blind {
			log.Warn("there is no slave that is up: what is routed through the interface is lost until there is one")
		}
		r.blind = seen[0].Blind
	}
	var errs []error
	var past []Bypass
	for _, s := range seen {
		if s.Bypass != nil {
			past = append(past, *s.Bypass)
		}
		g := r.given[s.Want.Dst]
		if g == nil {
			g = &given{}
			r.given[s.Want.Dst] = g
		}
		did, err := g.keep(i, s, log)
		changed = changed || did
		if err != nil {
			errs = append(errs, err)
		}
	}
	if !changed && seen != nil {
		r.bypasses = past
	}
	return changed, errors.Join(errs...)
}

// forget records that the interface was down, or without IPv6 if only6 is set: it has lost
// its routes, and those that somebody had deleted are wanted again.
func (r *GivenRoutes) forget(only6 bool) {
	for dst, g := range r.given {
		if !only6 || dst.Addr().Is6() {
			g.last, g.deleted = Route{}, false
		}
	}
}

// routes4 are those of a list that are of IPv4.
func routes4(seen []RouteState) []RouteState {
	return slices.DeleteFunc(slices.Clone(seen), func(s RouteState) bool { return s.Want.Dst.Addr().Is6() })
}

func (g *given) keep(i *Interface, s RouteState, log *slog.Logger) (changed bool, err error) {
	dst, there := s.Want.Dst, len(g.entries) > 0
	switch {
	case s.Deleted && there:
		log.Warn("a route of the device was deleted: packets to it are not faulted until the interface goes down and up", "route", dst)
		old := g.entries
		g.deleted, g.entries = true, nil
		return true, i.removeAll(old) // the rest of it, or all if it was just put back
	case g.deleted:
		return false, nil
	case dst.Bits() == 0 && !s.Way && !(s.Blind && there):
		return g.wait(i, dst, log)
	case there && !s.Lost && g.last.Dst.IsValid() && s.Blind:
		if dst.Addr().Is6() {
			// The kernel has taken the source address out, if the slave has lost it.
			g.entries[0].Source = netip.Addr{}
		}
		return false, nil
	case there && !s.Lost && g.last == s.Want && g.entries[0].Source == s.Want.Source:
		return false, nil
	}
	if s.Lost && dst.Addr().Is4() { // it may be behind another
		err = i.removeAll(g.entries)
		g.entries = nil
	}
	if g.waits {
		log.Info("the slave has a default route: it leads through the device now", "route", dst)
	}
	g.waits = false
	changed, placeErr := g.place(i, s.Want)
	return changed, errors.Join(err, placeErr)
}

// wait removes a default route while the slave has none. Without the device, the host would
// have none, either. And a program that makes one for the slave, as DHCP clients do, is not
// refused because of the device's.
func (g *given) wait(i *Interface, dst netip.Prefix, log *slog.Logger) (changed bool, err error) {
	if !g.waits {
		log.Info("the slave has no default route of this family: none leads through the device until it has", "route", dst)
	}
	old := g.entries
	g.waits, g.entries = true, nil
	return len(old) > 0, i.removeAll(old)
}

// place puts a route, and removes what the table had for it before.
func (g *given) place(i *Interface, r Route) (changed bool, err error) {
	g.last = Route{}
	changed, err = g.exchange(i, r)
	if errors.Is(err, unix.EEXIST) && len(g.entries) == 0 && !r.Dst.IsSingleIP() {
		// The host has an IPv6 route to just this destination that nothing comes before.
		g.halves = true
		changed, err = g.exchange(i, r)
	}
	switch {
	case errors.Is(err, unix.EEXIST):
		return changed, fmt.Errorf("add route to %s: the host has a route to just that destination with metric %d, "+
			"and none can come before it: give that one a higher metric", r.Dst, metric6)
	case err != nil && r.Dst.Addr().Is6():
		return changed, fmt.Errorf("add route to %s: %w", r.Dst, i.explainIPv6(err))
	case err != nil:
		return changed, fmt.Errorf("add route to %s: %w", r.Dst, err)
	}
	g.last = r
	return changed, nil
}

// exchange replaces the entries by those of r.
func (g *given) exchange(i *Interface, r Route) (changed bool, err error) {
	parts := []Route{r}
	if g.halves {
		parts = halves(r)
	}
	old := g.entries
	g.entries = nil
	for _, part := range parts {
		before := slices.DeleteFunc(slices.Clone(old), func(e entry) bool { return e.Dst != part.Dst })
		now, did, partErr := i.exchange(before, entriesOf(part))
		g.entries = append(g.entries, now...)
		changed, err = changed || did, errors.Join(err, partErr)
	}
	if err != nil && len(old) == 0 {
		err = errors.Join(err, i.removeAll(g.entries))
		g.entries = nil
	}
	return changed, err
}

// halves returns the same route to the two halves of the destination.
func halves(r Route) []Route {
	low, high := r, r
	low.Dst = netip.PrefixFrom(r.Dst.Addr(), r.Dst.Bits()+1).Masked()
	bytes := low.Dst.Addr().AsSlice()
	bytes[r.Dst.Bits()/8] |= 0x80 >> (r.Dst.Bits() % 8)
	addr, _ := netip.AddrFromSlice(bytes)
	high.Dst = netip.PrefixFrom(addr, r.Dst.Bits()+1)
	return []Route{low, high}
}
