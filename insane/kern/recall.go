package kern

import (
	"errors"
	"fmt"
	"io"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
)

// RecallOptions say what Recall needs to know about the slave.
type RecallOptions struct {
	Link   int    // index of the slave
	Sender uint64 // the cookie (SO_COOKIE) of the socket through which the relay sends there
}

// Recall makes the programs remember how flows leave the host, so that their answers belong
// to where the questions left, until the returned Closer is closed. A program at the slave's
// egress sees what leaves past the device. Attach it after AttachSlave, and close it before
// that one. Only the last Recall counts: closing an earlier one does not end it.
//
// If the program cannot be attached, for example because the slave has an ingress qdisc and
// the kernel has no tcx, the error says why, and wraps ErrRights or ErrUnsupported if one of
// these is the cause. Then what leaves past the device is not remembered, but the Closer is
// valid, and what leaves through it is remembered.
func (o *Objects) Recall(options RecallOptions) (io.Closer, error) {
	r := &recall{shared: o.memory.recall, sender: options.Sender}
	r.shared.link.Store(0)
	r.shared.cookie.Store(r.sender)
	h := hook{
		what: "memory of flows", link: options.Link,
		attach: ebpf.AttachTCXEgress, anchor: link.Head(), program: o.bpf.TransmitPast,
	}
	program, err := h.tcxElse(func() (io.Closer, error) { return o.attachPast(options.Link) })
	if err != nil {
		return r, err
	}
	r.program = program
	r.shared.link.Store(uint64(options.Link))
	return r, nil
}

// recall is the part that one call of Recall has turned on.
type recall struct {
	shared  *sharedRecall
	sender  uint64
	program io.Closer // nil if it could not be attached
}

// Close turns it off, unless a later Recall is in force, and detaches the program.
func (r *recall) Close() error {
	if r.shared.cookie.CompareAndSwap(r.sender, 0) {
		r.shared.link.Store(0)
	}
	if r.program == nil {
		return nil
	}
	return r.program.Close()
}

// attachPast adds the program to the egress of a link with a clsact qdisc.
func (o *Objects) attachPast(index int) (io.Closer, error) {
	if !hasEgress(index) {
		return nil, fmt.Errorf("attach the memory of flows: the slave has an ingress qdisc, and no tcx (Linux 6.6): %w", ErrUnsupported)
	}
	name := filterPrefix + o.device
	if madeForDevice(index) {
		name += madeQdisc
	}
	f, err := addFilter(index, netlink.HANDLE_MIN_EGRESS, name, o.bpf.TransmitPast.FD())
	if err != nil {
		return nil, explain("add clsact filter", err)
	}
	return f, nil
}

// hasEgress reports whether a link has a clsact qdisc. An ingress qdisc accepts filters for
// egress as well, and runs them at ingress.
func hasEgress(index int) bool {
	l, err := netlink.LinkByIndex(index)
	if err != nil {
		return false
	}
	qdisc, err := findClsact(l)
	return qdisc != nil && (err == nil || errors.Is(err, netlink.ErrDumpInterrupted))
}
