package kern

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// tcState lists what traffic control has at the ingress and egress hooks of a link: the
// qdisc and all filters, with their identifying attributes.
func tcState(t *testing.T, index int) (state []string) {
	t.Helper()
	l, err := netlink.LinkByIndex(index)
	must(t, err)
	qdiscs, err := netlink.QdiscList(l)
	must(t, err)
	for _, q := range qdiscs {
		if q.Attrs().Parent == netlink.HANDLE_INGRESS {
			state = append(state, "qdisc "+q.Type())
		}
	}
	parents := []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS}
	if slices.Contains(state, "qdisc ingress") {
		parents = parents[:1] // the kernel lists its filters at both hooks
	}
	for _, parent := range parents {
		filters, _ := netlink.FilterList(l, parent)
		for _, f := range filters {
			a := f.Attrs()
			text := fmt.Sprintf("filter %s parent %x priority %d protocol %x handle %x", f.Type(), parent, a.Priority, a.Protocol, a.Handle)
			if b, ok := f.(*netlink.BpfFilter); ok {
				if a.Handle == 0 {
					continue // the kernel lists the head of the filters, too
				}
				text += " " + b.Name
			}
			state = append(state, text)
		}
	}
	return state
}

func deleteLink(t *testing.T, name string) {
	t.Helper()
	must(t, netlink.LinkDel(linkOf(t, name)))
}

// addQdisc adds a qdisc with an ingress hook: clsact or ingress.
func addQdisc(t *testing.T, index int, kind string) {
	t.Helper()
	parent := uint32(netlink.HANDLE_INGRESS) // HANDLE_CLSACT is the same
	must(t, netlink.QdiscAdd(&netlink.GenericQdisc{QdiscType: kind, QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: parent}}))
}

// addU32 adds a filter of another kind that matches nothing.
func addU32(t *testing.T, index int, priority uint16, protocol uint16) {
	t.Helper()
	must(t, netlink.FilterAdd(&netlink.U32{
		FilterAttrs: netlink.FilterAttrs{LinkIndex: index, Parent: netlink.HANDLE_MIN_INGRESS,
			Priority: priority, Protocol: protocol},
		ClassId: 1,
		Sel: &netlink.TcU32Sel{Nkeys: 1, Flags: netlink.TC_U32_TERMINAL,
			Keys: []netlink.TcU32Key{{Mask: 0xffffffff, Val: 0xfeedbeef, Off: 12}}},
	}))
}

// foreign lists what another program may have at the ingress of a link.
var foreign = []struct {
	what string
	add  func(t *testing.T, index int)
}{
	{"an empty clsact", func(t *testing.T, index int) { addQdisc(t, index, "clsact") }},
	{"an empty ingress", func(t *testing.T, index int) { addQdisc(t, index, "ingress") }},
	{"an ingress with a filter", func(t *testing.T, index int) {
		addQdisc(t, index, "ingress")
		addU32(t, index, 1, unix.ETH_P_IP)
	}},
	{"a clsact with filters", func(t *testing.T, index int) {
		addQdisc(t, index, "clsact")
		addU32(t, index, 1, unix.ETH_P_IP)
		addU32(t, index, 2, unix.ETH_P_IPV6)
		must(t, netlink.FilterAdd(foreignBPF(index, 3, "theirs", newVerdict(t, -1))))
	}},
	{"a clsact with bpf at the first priority", func(t *testing.T, index int) {
		addQdisc(t, index, "clsact")
		must(t, netlink.FilterAdd(foreignBPF(index, 1, "theirs", newVerdict(t, -1))))
		must(t, netlink.FilterAdd(foreignBPF(index, 5, "insan", newVerdict(t, -1))))
	}},
	{"a clsact with a filter at egress", func(t *testing.T, index int) {
		addQdisc(t, index, "clsact")
		f := foreignBPF(index, 1, "theirs", newVerdict(t, -1))
		f.Parent = netlink.HANDLE_MIN_EGRESS
		must(t, netlink.FilterAdd(f))
	}},
}

// Filters of others stay unchanged while the filter is attached and afterwards.
func TestAmongForeign(t *testing.T) {
	for _, f := range foreign {
		t.Run(f.what, func(t *testing.T) {
			near, _ := newNamespace(t)
			index := near.Attrs().Index
			f.add(t, index)
			before := tcState(t, index)
			r := openObjects(t, hostClaims)
			closer, err := r.attachClsact(index)
			must(t, err)
			during := tcState(t, index)
			if len(during) != len(before)+1 {
				t.Errorf("%v, want one filter more than %v", during, before)
			}
			for _, theirs := range before {
				if !slices.Contains(during, theirs) {
					t.Errorf("%s is gone from %v", theirs, during)
				}
			}
			must(t, closer.Close())
			if after := tcState(t, index); !slices.Equal(after, before) {
				t.Errorf("%v afterwards, %v before", after, before)
			}
		})
	}
}

// The filter works at each priority that it may get.
func TestTakesAmongForeign(t *testing.T) {
	for _, f := range foreign {
		t.Run(f.what, func(t *testing.T) {
			w := newWire(t, attachment{"", func(r *Objects, index int) (closer io.Closer, err error) {
				f.add(t, index)
				return r.attachClsact(index)
			}})
			w.send(1, toHost, nil, unix.ETH_P_IP, udp4(plain4, own4))
			w.send(2, toHost, nil, unix.ETH_P_IP, udp4(plain4, host4))
			toDevice, toStack := w.heard()
			w.expect("to the device", toDevice[1], toStack[1], device)
			w.expect("to the slave", toDevice[2], toStack[2], slave)
		})
	}
}

// If no priority is free, attaching fails and changes nothing.
func TestNoPlace(t *testing.T) {
	near, _ := newNamespace(t)
	index := near.Attrs().Index
	addQdisc(t, index, "clsact")
	for priority := range uint16(lastPriority) {
		addU32(t, index, priority+1, unix.ETH_P_IP)
	}
	before := tcState(t, index)
	r := openObjects(t, nil)
	if closer, err := r.attachClsact(index); err == nil {
		closer.Close()
		t.Error("attached where there is no place")
	} else if !strings.Contains(err.Error(), "clsact filter") {
		t.Errorf("%v does not say what failed", err)
	}
	if after := tcState(t, index); !slices.Equal(after, before) {
		t.Errorf("%v afterwards, %v before", after, before)
	}
}

// A qdisc that was made for the filter stays if it contains another filter.
func TestQdiscTakenOver(t *testing.T) {
	near, _ := newNamespace(t)
	index := near.Attrs().Index
	r := openObjects(t, nil)
	closer, err := r.attachClsact(index)
	must(t, err)
	must(t, netlink.FilterAdd(foreignBPF(index, 1, "theirs", newVerdict(t, -1))))
	must(t, closer.Close())
	want := []string{"qdisc clsact", "theirs"}
	if state := tcState(t, index); len(state) != 2 || state[0] != want[0] || !strings.HasSuffix(state[1], want[1]) {
		t.Errorf("%v, want %v", state, want)
	}
	must(t, closer.Close())
	if state := tcState(t, index); len(state) != 2 {
		t.Errorf("%v after a second Close", state)
	}
}
