package host

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Egress finds queueing disciplines and filters, and SkipQdisc removes the discipline.
func TestEgress(t *testing.T) {
	l := newNamespace(t)
	tap := openTAP(t, l, "insane")
	must(t, tap.SetUp())
	must(t, tap.SetCarrier(true))
	egress := func(own, want string) {
		t.Helper()
		if got, err := l.Egress(tap.Index(), own); err != nil || got != want {
			t.Errorf("%q (%v), want %q", got, err, want)
		}
	}
	must(t, tap.SkipQdisc())
	egress("", "")
	must(t, l.h.QdiscReplace(&netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: tap.Index(), Parent: netlink.HANDLE_ROOT}, QdiscType: "pfifo"}))
	egress("", "queueing discipline pfifo")
	must(t, tap.SkipQdisc())
	must(t, l.h.QdiscAdd(&netlink.GenericQdisc{QdiscType: "clsact", QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: tap.Index(), Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}}))
	egress("", "")
	must(t, l.h.FilterAdd(&netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{LinkIndex: tap.Index(), Parent: netlink.HANDLE_MIN_EGRESS,
			Priority: 1, Protocol: unix.ETH_P_ALL},
		Fd: passAll(t).FD(), Name: "test", DirectAction: true}))
	egress("", "filters of tc at egress")
	egress("other", "filters of tc at egress")
	egress("test", "")
}

// TxQueues returns the number of transmit queues of a link, and 1 if the link does not
// tell.
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

// passAll loads a program for tc that lets every frame pass.
func passAll(t *testing.T) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()},
	})
	must(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}
