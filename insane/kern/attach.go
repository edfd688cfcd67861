package kern

import (
	"errors"
	"fmt"
	"io"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The Attach methods hang a program into a link until the result is closed. They
// act on the namespace of the calling thread.

// Attach makes the link of that index withhold from its own stack what the receive
// filter takes. device: the link is the interface of another device, whose own
// programs come first.
//
// Close it after the packet socket: a frame that the socket gets in between would
// be the stack's as well.
func (o *Objects) Attach(index int, device bool) (io.Closer, error) {
	// Else first in the chain: a frame that another program sends elsewhere would
	// be that one's and the device's.
	anchor := link.Head()
	if device {
		anchor = link.Tail()
	}
	l, err := link.AttachTCX(link.TCXOptions{
		Interface: index, Program: o.bpf.ReceiveSteal, Attach: ebpf.AttachTCXIngress, Anchor: anchor,
	})
	if errors.Is(err, ebpf.ErrNotSupported) {
		return o.attachClsact(index)
	}
	if err != nil {
		return nil, explain("attach the receive filter", err)
	}
	return l, nil
}

// A place is where on the interface a program of the fast path stands.
type place struct {
	tcx     ebpf.AttachType
	anchor  link.Anchor
	clsact  uint32 // the parent of a filter
	program [2]*ebpf.Program
}

// AttachArrive makes the interface count what comes to it from the slave.
// old: clsact will do, where the kernel has no tcx.
func (o *Objects) AttachArrive(index int, old bool) (io.Closer, error) {
	return attach(index, old, place{
		ebpf.AttachTCXIngress, link.Head(), netlink.HANDLE_MIN_INGRESS,
		[2]*ebpf.Program{o.bpf.ReceiveArrive, o.bpf.ReceiveArrive},
	})
}

// AttachTransmit makes the interface carry out the rule of the tx direction on what it
// sends, behind any other program. old: clsact will do, where the kernel has no tcx.
func (o *Objects) AttachTransmit(index int, old bool) (io.Closer, error) {
	return attach(index, old, place{
		ebpf.AttachTCXEgress, link.Tail(), netlink.HANDLE_MIN_EGRESS,
		[2]*ebpf.Program{o.bpf.TransmitTcx, o.bpf.TransmitClsact},
	})
}

func attach(index int, old bool, at place) (io.Closer, error) {
	l, err := link.AttachTCX(link.TCXOptions{
		Interface: index, Program: at.program[0], Attach: at.tcx, Anchor: at.anchor,
	})
	switch {
	case err == nil:
		return l, nil
	case !errors.Is(err, ebpf.ErrNotSupported):
		return nil, explain("attach the fast path", err)
	case !old:
		return nil, fmt.Errorf("no tcx (Linux 6.6): %w", ErrUnsupported)
	}
	err = netlink.QdiscAdd(clsactQdisc(index))
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, explain("add clsact qdisc", err)
	}
	filter, err := addFilter(index, at.clsact, "fast path", at.program[1].FD())
	if err != nil {
		return nil, explain("add clsact filter", err)
	}
	return filter, nil
}
