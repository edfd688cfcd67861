package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
)

// Options are the parameters of a lab. The zero value gives the usual lab.
type Options struct {
	// MTU is the MTU of both ends of the cable, in bytes; 0 means 1500.
	MTU int

	// Queues is the number of transmit queues, and of receive queues, of each end of the
	// cable; 0 means 1.
	Queues int

	// Cards are the names of two network cards in the namespace of the caller that a cable
	// joins. The lab has them instead of a veth pair until it is closed. They have the
	// queues that they have.
	Cards [2]string

	// Insane is the command that runs a daemon; Daemon appends its arguments. nil means
	// this executable.
	Insane []string

	// Process finds the process of a daemon, given that of the command. nil means that the
	// command becomes the daemon.
	Process func(command *os.Process) *os.Process
}

// Limits of Options: the largest MTU of a veth (drivers/net/veth.c, ETH_MAX_MTU), the
// smallest MTU for IPv6 (RFC 8200 section 5), and a reasonable number of queues.
const (
	minMTU, maxMTU = 1280, 65535
	maxQueues      = 64
)

// Lab is two hosts joined by a cable. Its methods may be called from any goroutine.
type Lab struct {
	Borea   *Host // sends; the device runs here
	Morgana *Host // receives

	options Options
	daemons atomic.Uint32 // number of daemons started, for the names of their sockets
	cards   cards

	closing sync.Once
	closed  error
}

// New makes the two hosts and the cable between them. When New returns, the links are up
// and each host can reach the other over IPv4 and IPv6. Without root the error is
// unix.EPERM. Close releases the lab; the end of the process does too, no matter how it
// ends.
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

// Close kills every process that is still in one of the hosts, and removes the hosts and
// the cable. The cable is gone when Close returns; the kernel removes the rest of the
// namespaces shortly afterwards.
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

// complete checks the options and sets the missing ones.
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
	if o.Process == nil {
		o.Process = func(command *os.Process) *os.Process { return command }
	}
	if o.MTU < minMTU || o.MTU > maxMTU {
		return o, fmt.Errorf("lab MTU %d: must be %d to %d bytes", o.MTU, minMTU, maxMTU)
	}
	if (o.Cards[0] == "") != (o.Cards[1] == "") {
		return o, fmt.Errorf("lab cards %q: a cable has two ends", o.Cards)
	}
	if o.Queues < 1 || o.Queues > maxQueues {
		return o, fmt.Errorf("lab queues %d: must be 1 to %d", o.Queues, maxQueues)
	}
	return o, nil
}

// The addresses are private (RFC 1918, RFC 4193). They never leave the namespaces, so other
// hosts may use them.

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
