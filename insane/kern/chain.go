package kern

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Chain is a tcx chain in which a device has a program. The other programs of the chain
// work on a frame before that program or behind it.
type Chain int

// The chains. The fast path ends the first of them, so that programs behind it meet only
// what the relay sends. The relay passes neither the ingress of the slave nor that of the
// interface up to receive_arrive, so that programs in front of the device's own meet, or
// take away, only what the fast path brings.
const (
	ChainTransmit Chain = iota // egress of the interface
	ChainArrive                // ingress of the interface
	ChainSteal                 // ingress of the slave
	chains
)

// OneSided returns how many programs of others stand in a chain where only one of the two
// paths meets them: behind the device's program in ChainTransmit, in front of it in the
// others. link is the index of the link that has the chain. It returns 0 on a kernel
// without tcx, and for a chain without a program of the device. It waits for the kernel's
// lock on network configuration.
func (o *Objects) OneSided(c Chain, link int) (int, error) {
	programs, err := o.query(c, link)
	if err != nil {
		return 0, fmt.Errorf("list tcx programs: %w", err)
	}
	at := slices.Index(programs, o.ids[c])
	switch {
	case at < 0:
		return 0, nil
	case c == ChainTransmit:
		return len(programs) - 1 - at, nil
	}
	return at, nil
}

// query returns the programs of a chain in the order in which they run.
func (o *Objects) query(c Chain, index int) (ids []ebpf.ProgramID, err error) {
	attach := ebpf.AttachTCXIngress
	if c == ChainTransmit {
		attach = ebpf.AttachTCXEgress
	}
	found, err := link.QueryPrograms(link.QueryOptions{Target: index, Attach: attach})
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, ebpf.ErrNotSupported):
		return nil, nil // an older kernel does not know the request
	case errors.Is(err, unix.ENODEV):
		return nil, nil // the link is gone
	case err != nil:
		return nil, err
	}
	for _, p := range found.Programs {
		ids = append(ids, p.ID)
	}
	return ids, nil
}

// identify asks the kernel for the numbers of the programs that are in chains.
func (o *Objects) identify() error {
	for c, program := range [chains]*ebpf.Program{o.bpf.TransmitTcx, o.bpf.ReceiveArrive, o.bpf.ReceiveSteal} {
		if program == nil {
			continue // this kernel has no tcx
		}
		info, err := program.Info()
		if err != nil {
			return fmt.Errorf("look at the eBPF programs: %w", err)
		}
		o.ids[c], _ = info.ID()
	}
	return nil
}

// useless returns the name of a program that this kernel has no hook for: one of the two that
// run at egress. It returns "" if the kernel does not say which.
func useless() string {
	const loopback = 1 // its index in every network namespace
	_, err := link.QueryPrograms(link.QueryOptions{Target: loopback, Attach: ebpf.AttachTCXEgress})
	switch {
	case err == nil:
		return kernProgTransmitClsact
	case errors.Is(err, unix.EINVAL), errors.Is(err, ebpf.ErrNotSupported):
		return kernProgTransmitTcx
	}
	return ""
}
