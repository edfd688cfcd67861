package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
)

// Options say how a lab differs from the usual one. The zero value is the usual one.
type Options struct {
	// MTU of both ends of the cable, in bytes; 0 means 1500.
	MTU int

	// Queues is how many transmit and as many receive queues either end of
	// the cable has; 0 means 1.
	Queues int

	// Insane is the command that runs a daemon, to which Daemon adds its
	// arguments; nil means this executable.
	Insane []string
}

// Limits of Options: what a veth of the kernel accepts (drivers/net/veth.c,
// ETH_MAX_MTU) and IPv6 needs (RFC 8200 section 5); and a sane number of queues.
const (
	minMTU, maxMTU = 1280, 65535
	maxQueues      = 64
)

// Lab is two hosts joined by a cable. Its methods may be called from any goroutine.
type Lab struct {
	Borea   *Host // sends; the device runs here
	Morgana *Host // receives

	options Options
	daemons atomic.Uint32 // how many were started, for their sockets' names

	closing sync.Once
	closed  error
}

// New makes the two hosts and the cable between them, up and addressed:
// both can reach each other over IPv4 and IPv6 when New returns. It fails with
// an error that is unix.EPERM for want of root. Close releases the lab; so
// does the end of the process, whatever ends it.
func New(options Options) (*Lab, error) {
	options, err := options.complete()
	if err != nil {
		return nil, err
	}
	l := &Lab{Borea: borea(), Morgana: morgana(), options: options}
	for _, build := range []func() error{l.Borea.open, l.Morgana.open, l.connect} {
		if err := build(); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

// Close kills every process that is still in either host and takes hosts and
// cable down. The cable is gone when Close returns; what is left of the
// namespaces the kernel collects on its own within moments.
func (l *Lab) Close() error {
	l.closing.Do(func() {
		hosts := []*Host{l.Borea, l.Morgana}
		l.closed = errors.Join(evict(hosts...), l.disconnect())
		for _, h := range hosts {
			l.closed = errors.Join(l.closed, h.close())
		}
	})
	return l.closed
}

// complete checks what was given and fills in what was not.
func (o Options) complete() (Options, error) {
	if o.MTU == 0 {
		o.MTU = 1500
	}
	if o.Queues == 0 {
		o.Queues = 1
	}
	if len(o.Insane) == 0 {
		o.Insane = []string{"/proc/self/exe"}
	}
	if o.MTU < minMTU || o.MTU > maxMTU {
		return o, fmt.Errorf("lab MTU %d: must be %d to %d bytes", o.MTU, minMTU, maxMTU)
	}
	if o.Queues < 1 || o.Queues > maxQueues {
		return o, fmt.Errorf("lab queues %d: must be 1 to %d", o.Queues, maxQueues)
	}
	return o, nil
}

// The addresses are private ones (RFC 1918, RFC 4193). They never leave the
// namespaces, so they may be in use outside.

func borea() *Host {
	return &Host{
		Name:      "borea",
		IPv4:      netip.MustParseAddr("10.9.0.1"),
		IPv6:      netip.MustParseAddr("fd00:9::1"),
		SpareIPv4: netip.MustParseAddr("10.9.0.3"),
		SpareIPv6: netip.MustParseAddr("fd00:9::3"),
	}
}

func morgana() *Host {
	return &Host{
		Name:      "morgana",
		IPv4:      netip.MustParseAddr("10.9.0.2"),
		IPv6:      netip.MustParseAddr("fd00:9::2"),
		SpareIPv4: netip.MustParseAddr("10.9.0.4"),
		SpareIPv6: netip.MustParseAddr("fd00:9::4"),
	}
}
