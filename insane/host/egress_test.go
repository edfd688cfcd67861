package host

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
		must(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, c.protocol)), Ifindex: c.index}))
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
		Fd: passAll(t).FD(), Name: "test", DirectAction: true}))
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

// passAll is a program for tc that lets every frame pass.
func passAll(t *testing.T) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()},
	})
	must(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}
