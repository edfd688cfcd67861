package kern

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The name of a filter is filterPrefix and the name of its device. madeQdisc follows if
// a device made the qdisc for the filter.
const (
	filterPrefix = "insane/"
	madeQdisc    = "/clsact"
)

// lastPriority is the last priority that addFilter tries.
const lastPriority = 8

// clsact is the receive filter at the ingress of one link, on a kernel without tcx.
type clsact struct {
	index  int
	device string
}

// attachClsact adds the receive filter to the ingress of a link. It adds a clsact qdisc
// first, unless the link has one or an ingress qdisc.
func (o *Objects) attachClsact(index int) (io.Closer, error) {
	if err := o.sweepOnce(); err != nil {
		return nil, explain("remove what an earlier device has left", err)
	}
	qdisc := clsactQdisc(index)
	err := netlink.QdiscAdd(qdisc)
	switch {
	case err == nil, errors.Is(err, unix.EEXIST):
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP):
		return nil, fmt.Errorf("add clsact qdisc: %w: neither tcx (Linux 6.6) nor sch_ingress: %w", err, ErrUnsupported)
	default:
		return nil, explain("add clsact qdisc", err)
	}
	name := filterPrefix + o.device
	if err == nil || madeForDevice(index) {
		name += madeQdisc
	}
	if _, ferr := addFilter(index, netlink.HANDLE_MIN_INGRESS, name, o.bpf.ReceiveSteal.FD()); ferr != nil {
		if err == nil {
			_ = netlink.QdiscDel(qdisc)
		}
		return nil, explain("add clsact filter", ferr)
	}
	return &clsact{index: index, device: o.device}, nil
}

// madeForDevice reports whether another device made the qdisc for its filter. In that
// case the last of the devices removes the qdisc.
func madeForDevice(index int) bool {
	l := &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: index}}
	filters, err := netlink.FilterList(l, netlink.HANDLE_MIN_INGRESS)
	return err == nil && slices.ContainsFunc(filters, func(f netlink.Filter) bool {
		_, made, ok := ownerOf(f)
		return ok && made
	})
}

// ownerOf reads the name of a filter: the device that the filter belongs to, and whether
// the qdisc was made for the filter. ok is false for a filter of another program.
func ownerOf(f netlink.Filter) (device string, made, ok bool) {
	bpf, ok := f.(*netlink.BpfFilter)
	if !ok {
		return "", false, false
	}
	name, ok := strings.CutPrefix(bpf.Name, filterPrefix)
	device, made = strings.CutSuffix(name, madeQdisc)
	return device, made, ok
}

// clsactQdisc describes the clsact qdisc of a link.
func clsactQdisc(index int) netlink.Qdisc {
	return &netlink.GenericQdisc{QdiscType: "clsact", QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
	}}
}

// filter is a filter that addFilter has added.
type filter netlink.BpfFilter

// Close removes the filter. It is no error if the link, its qdisc (EINVAL) or the filter is
// gone.
func (f *filter) Close() error {
	err := netlink.FilterDel((*netlink.BpfFilter)(f))
	if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// addFilter adds a filter at the first priority that the kernel accepts: it refuses a
// priority that has filters of another kind.
func addFilter(index int, parent uint32, name string, program int) (*filter, error) {
	var err error
	for priority := uint16(1); priority <= lastPriority; priority++ {
		f := &netlink.BpfFilter{
			FilterAttrs: netlink.FilterAttrs{
				LinkIndex: index, Parent: parent, Protocol: unix.ETH_P_ALL, Priority: priority,
			},
			Fd: program, Name: name, DirectAction: true,
		}
		if err = netlink.FilterAdd(f); err == nil || errors.Is(err, unix.EPERM) {
			return (*filter)(f), err
		}
	}
	return nil, err
}

// Close removes the filter. It removes the qdisc as well if the qdisc was made for the
// filter and contains no other filter.
func (c *clsact) Close() error {
	l, err := netlink.LinkByIndex(c.index)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err == nil {
		err = clean(l, func(device string) bool { return device == c.device })
	}
	if err != nil {
		return fmt.Errorf("remove clsact filter: %w", err)
	}
	return nil
}

// sweepOnce calls sweep, once, before the first filter of this device is added.
func (o *Objects) sweepOnce() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.swept {
		return nil
	}
	err := sweep(o.device)
	o.swept = err == nil
	return err
}

// sweep removes the filters of dead daemons. A daemon is dead if its interface is gone,
// or if it had the name of this device: two daemons cannot have one name.
func sweep(device string) error {
	links, err := allLinks()
	if err != nil {
		return err
	}
	alive := make(map[string]bool)
	for _, l := range links {
		alive[l.Attrs().Name] = true
	}
	alive[device] = false
	for _, l := range links {
		if err := clean(l, func(device string) bool { return !alive[device] }); err != nil {
			return err
		}
	}
	return nil
}

// allLinks lists the links of the namespace. It asks again if they change while they are read:
// a daemon whose interface is missing in the list would lose its filters.
func allLinks() (links []netlink.Link, err error) {
	const tries = 30
	for range tries {
		if links, err = netlink.LinkList(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return links, err
}

// clean removes from a link the filters of each device for which dead returns true.
func clean(l netlink.Link, dead func(device string) bool) error {
	for _, parent := range []uint32{netlink.HANDLE_MIN_EGRESS, netlink.HANDLE_MIN_INGRESS} {
		filters, err := netlink.FilterList(l, parent)
		if err != nil {
			return nil // the link has no qdisc with filters
		}
		for _, f := range filters {
			device, made, ok := ownerOf(f)
			if !ok || !dead(device) {
				continue
			}
			if err := netlink.FilterDel(f); err != nil && !errors.Is(err, unix.ENOENT) {
				return err
			}
			if made {
				if err := removeEmpty(l); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// removeEmpty removes the clsact qdisc of a link if it contains no filter.
func removeEmpty(l netlink.Link) error {
	for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
		if filters, err := netlink.FilterList(l, parent); err != nil || len(filters) > 0 {
			return err
		}
	}
	qdisc, err := findClsact(l)
	if err != nil || qdisc == nil {
		return err
	}
	return netlink.QdiscDel(qdisc)
}

// findClsact returns the clsact qdisc of a link; nil if it has none. With the error
// netlink.ErrDumpInterrupted it may have missed it.
func findClsact(l netlink.Link) (netlink.Qdisc, error) {
	qdiscs, err := netlink.QdiscList(l)
	for _, q := range qdiscs {
		if q.Type() == "clsact" {
			return q, err
		}
	}
	return nil, err
}
