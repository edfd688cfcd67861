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

// The Attach methods attach a program to a link in the network namespace of the
// calling thread, until the returned closer is closed. They use tcx (Linux 6.6),
// and a clsact qdisc where the kernel has no tcx. An error wraps ErrRights or
// ErrUnsupported if one of these is the cause.

// FilterName is the name of the filters of the fast path, on kernels without tcx.
const FilterName = "fast path"

// SlaveOptions says where AttachSlave attaches.
type SlaveOptions struct {
	Link int // index of the slave

	// Device: the slave is the interface of another device. The programs of that
	// device run first.
	Device bool
}

// InterfaceOptions says where AttachInterface attaches.
type InterfaceOptions struct {
	Link int // index of the interface

	// Clsact allows a clsact qdisc. Without it, a kernel without tcx is an error.
	Clsact bool
}

// AttachSlave attaches the receive program to the ingress of the slave. It steals
// from the slave's stack the frames that the socket filter has given to the device.
//
// Close it after the packet socket: a frame that the socket receives in between
// would reach the stack as well.
func (o *Objects) AttachSlave(options SlaveOptions) (io.Closer, error) {
	h := hook{
		what: "receive filter", link: options.Link,
		attach: ebpf.AttachTCXIngress, anchor: link.Head(), program: o.bpf.ReceiveSteal,
	}
	// Normally the program is the first of the chain: another program may redirect
	// a frame, and the frame would then reach its target and the device.
	if options.Device {
		h.anchor = link.Tail()
	}
	return h.tcxElse(func() (io.Closer, error) { return o.attachClsact(options.Link) })
}

// AttachInterface attaches the programs of the fast path to the interface. On an error none of
// them is attached. Filters of clsact stay after Close: they go with the interface, or with its
// move to another network namespace, after which the index may be another link's.
func (o *Objects) AttachInterface(options InterfaceOptions) (io.Closer, error) {
	arrive, err := o.attachArrive(options)
	if err != nil {
		return nil, err
	}
	transmit, err := o.attachTransmit(options)
	if err != nil {
		return nil, errors.Join(err, arrive.Close())
	}
	return &fastPrograms{[]io.Closer{arrive, transmit}, options.Clsact}, nil
}

// fastPrograms are the programs of the fast path at an interface.
type fastPrograms struct {
	attached []io.Closer
	clsact   bool
}

// Close detaches the programs.
func (p *fastPrograms) Close() error {
	var errs []error
	for _, c := range p.attached {
		if !p.clsact {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// attachArrive attaches a program to the ingress of the interface. It counts the
// frames that arrive there from the slave.
func (o *Objects) attachArrive(options InterfaceOptions) (io.Closer, error) {
	h := hook{
		what: "fast path", link: options.Link,
		attach: ebpf.AttachTCXIngress, anchor: link.Head(), program: o.bpf.ReceiveArrive,
	}
	return h.tcxElse(options.clsact(netlink.HANDLE_MIN_INGRESS, o.bpf.ReceiveArrive))
}

// attachTransmit attaches the fast path of tx to the egress of the interface, behind
// every other program.
func (o *Objects) attachTransmit(options InterfaceOptions) (io.Closer, error) {
	h := hook{
		what: "fast path", link: options.Link,
		attach: ebpf.AttachTCXEgress, anchor: link.Tail(), program: o.bpf.TransmitTcx,
	}
	return h.tcxElse(options.clsact(netlink.HANDLE_MIN_EGRESS, o.bpf.TransmitClsact))
}

// hook is the place of one program in the tcx chain of a link.
type hook struct {
	what    string // for errors
	link    int    // index
	attach  ebpf.AttachType
	anchor  link.Anchor
	program *ebpf.Program
}

// tcxElse attaches the program by tcx, or calls clsact on a kernel without tcx.
func (h hook) tcxElse(clsact func() (io.Closer, error)) (io.Closer, error) {
	if h.program == nil {
		return clsact() // it was not handed over: see useless
	}
	l, err := link.AttachTCX(link.TCXOptions{
		Interface: h.link, Program: h.program, Attach: h.attach, Anchor: h.anchor,
	})
	switch {
	case errors.Is(err, ebpf.ErrNotSupported):
		return clsact()
	case err != nil:
		return nil, explain("attach the "+h.what, err)
	}
	return attached{l}, nil
}

// attached is a program in a tcx chain.
type attached struct{ link.Link }

// Close detaches the program at once. Without Detach, the program would run until the last file
// descriptor of the link is closed: a process that another thread is just starting has a copy
// of it until it executes its program.
func (a attached) Close() error {
	_ = a.Detach() // after an error, Close does the same, later
	return a.Link.Close()
}

// clsact returns the function that attaches a program of the fast path as a filter
// of a clsact qdisc, to one parent of the qdisc. The qdisc goes with the interface.
func (i InterfaceOptions) clsact(parent uint32, program *ebpf.Program) func() (io.Closer, error) {
	return func() (io.Closer, error) {
		if !i.Clsact || program == nil {
			return nil, fmt.Errorf("no tcx (Linux 6.6): %w", ErrUnsupported)
		}
		err := netlink.QdiscAdd(clsactQdisc(i.Link))
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return nil, explain("add clsact qdisc", err)
		}
		filter, err := addFilter(i.Link, parent, FilterName, program.FD())
		if err != nil {
			return nil, explain("add clsact filter", err)
		}
		return filter, nil
	}
}
