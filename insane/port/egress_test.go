package port

import (
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Of packet sockets only those for all protocols get what is sent, on the link or on
// all links, and only while they are bound.
func TestListens(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near, far := linkOf(t, l, "near").Index, linkOf(t, l, "far").Index
	for _, c := range []struct {
		what          string
		protocol      uint16
		index         int
		onNear, onFar bool
	}{
		{"a sender", 0, near, false, false},
		{"of one protocol", unix.ETH_P_ARP, near, false, false},
		{"on the link", unix.ETH_P_ALL, near, true, false},
		{"on the other", unix.ETH_P_ALL, far, false, true},
		{"on all links", unix.ETH_P_ALL, 0, true, true},
	} {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		must(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(c.protocol, binary.NativeEndian), Ifindex: c.index}))
		for index, want := range map[int]bool{near: c.onNear, far: c.onFar} {
			if got, err := Listens(index); err != nil || got != want {
				t.Errorf("%s: on link %d %v (%v), want %v", c.what, index, got, err, want)
			}
		}
		must(t, unix.Close(fd))
	}
	if got, err := Listens(near); err != nil || got {
		t.Errorf("after all are closed: %v (%v)", got, err)
	}
}

// What stands between a sender and the TAP is found, and a new TAP has something.
func TestEgress(t *testing.T) {
	l := newNamespace(t)
	tap := openTAP(t, l, "insane")
	must(t, tap.SetUp())
	must(t, tap.SetCarrier(true))
	egress := func(clsact bool, want string) {
		t.Helper()
		if got, err := l.Egress(tap.Index(), clsact); err != nil || got != want {
			t.Errorf("%q (%v), want %q", got, err, want)
		}
	}
	must(t, tap.SkipQdisc())
	egress(false, "")
	must(t, l.h.QdiscReplace(&netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: tap.Index(), Parent: netlink.HANDLE_ROOT}, QdiscType: "pfifo"}))
	egress(false, "queueing discipline pfifo")
	must(t, tap.SkipQdisc())
	must(t, l.h.QdiscAdd(&netlink.GenericQdisc{QdiscType: "clsact", QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: tap.Index(), Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}}))
	egress(false, "")
	must(t, l.h.FilterAdd(&netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{LinkIndex: tap.Index(), Parent: netlink.HANDLE_MIN_EGRESS,
			Priority: 1, Protocol: unix.ETH_P_ALL},
		Fd: constant(t, ebpf.SchedCLS, -1).FD(), Name: "test", DirectAction: true}))
	egress(false, "filters of tc at egress")
	egress(true, "")
}

// A link with several queues for transmitting says so; others have one.
func TestTxQueues(t *testing.T) {
	l := newNamespace(t)
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.NumTxQueues, attrs.NumRxQueues = "wide", 3, 3
	must(t, l.h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "narrow",
		PeerNumTxQueues: 1, PeerNumRxQueues: 1}))
	for name, want := range map[string]int{"wide": 3, "narrow": 1, "lo": 1, "none": 1} {
		if got := TxQueues(name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

// What the filter refuses does not come into the queue, and counts as dropped.
func TestTAPFilter(t *testing.T) {
	l := newNamespace(t)
	tap := openTAP(t, l, "insane")
	sysctl(t, "net/ipv6/conf/insane/disable_ipv6", "1") // which would send by itself
	must(t, tap.SetUp())
	must(t, tap.SetCarrier(true))
	if err := tap.SetFilter(-2); err == nil {
		t.Error("a filter that there is not was accepted")
	}
	must(t, tap.SetFilter(constant(t, ebpf.SocketFilter, 0).FD()))
	before := linkOf(t, l, "insane").TxDropped
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.Sendto(fd, make([]byte, 60), 0, &unix.SockaddrLinklayer{Ifindex: tap.Index()}))
	if got := linkOf(t, l, "insane").TxDropped; got != before+1 {
		t.Errorf("%d frames dropped, want %d", got-before, 1)
	}
}

// constant is a program that says the same of every frame.
func constant(t *testing.T, kind ebpf.ProgramType, says int32) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: kind, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, says), asm.Return()},
	})
	must(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}
