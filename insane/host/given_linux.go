package host

import (
	"errors"
	"log/slog"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Given is what the user asked for of the interface: addresses, and routes through it. The
// kernel removes IPv6 addresses and all routes while an interface is down, and all of IPv6
// while it has no IPv6; Given brings them back. Only one goroutine at a time may use it.
type Given struct {
	Addresses    []netip.Prefix
	Destinations []netip.Prefix // to be routed through the interface
	Routes       GivenRoutes

	missing []netip.Prefix // the addresses that are not restored yet
	flushed bool           // the interface was down after it had got all
	bare    bool           // it was without IPv6 after it had got all
	whole   Condition      // the interface as of the last Keep
}

// Bypasses returns the ways past the interface that were seen when the routes were last found
// complete; nil while the interface is down, which Keep has logged.
func (g *Given) Bypasses() []Bypass {
	if !g.whole.Up {
		return nil
	}
	return g.Routes.bypasses
}

// Condition is the state of the interface as far as it decides what the interface can have.
type Condition struct {
	Up      bool // administratively
	WasDown bool // it is down, or was down since the last look
	NoIPv6  bool // the kernel has no IPv6 on it
	WasBare bool // it has none, or had none since the last look
}

// Doubt makes the next Keep restore everything: the interface may have been down unseen.
func (g *Given) Doubt() { g.flushed = true }

// Keep restores what the interface has lost, and keeps the routes as GivenRoutes.Keep does;
// routes is nil if nobody has looked at them. It returns true if the host must be looked at
// once more: it has changed routes, or they are to be restored and nobody has looked. It waits
// for the kernel's lock on network configuration. It joins all errors; the next call tries
// again. It logs that the interface is down, once.
func (g *Given) Keep(i *Interface, c Condition, routes []RouteState, log *slog.Logger) (again bool, err error) {
	if g.whole.Up && (c.WasDown || c.WasBare && !g.whole.NoIPv6) {
		log.Warn("the interface was set down, or IPv6 taken off it: what was routed through it is not faulted until it is back")
	}
	g.whole = c
	g.flushed, g.bare = g.flushed || c.WasDown, g.bare || c.WasBare
	if !c.Up {
		return false, nil // the kernel refuses routes
	}
	restored := g.restore(c)
	if c.NoIPv6 {
		g.missing, routes = Only4(g.missing), routes4(routes)
	}
	g.missing, err = i.AddAddresses(g.missing)
	changed, routesErr := g.Routes.Keep(i, routes, log)
	return changed || restored && routes == nil, errors.Join(err, i.unlessDown(routesErr))
}

// unlessDown returns an error of the kernel, but not that it refuses routes because somebody
// has set the interface down a moment ago: the event of that leads to a Keep of its own.
func (i *Interface) unlessDown(err error) error {
	if errors.Is(err, unix.ENETDOWN) {
		if now, looked := i.Look(); looked == nil && !now.Up {
			return nil
		}
	}
	return err
}

// restore notes what an interface that is up has lost and can have again.
func (g *Given) restore(c Condition) bool {
	switch {
	case g.flushed:
		g.flushed = false
		g.missing = g.Addresses
		g.Routes.forget(false)
	case g.bare && !c.NoIPv6:
		g.missing = append(Only4(g.missing), Only6(g.Addresses)...)
		g.Routes.forget(true)
	default:
		return false
	}
	g.bare = c.NoIPv6
	return true
}
