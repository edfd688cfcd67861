package testbed

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// Hook is something of a user that drops and counts every frame that comes by.
type Hook struct {
	Count  func() int // the frames dropped so far
	Remove func()
}

// Codes with which a program drops a frame, or lets the next program see it.
const (
	xdpDrop = 1
	tcShot  = 2
	tcxNext = -1
)

// countOne is the end of a program: it adds 1 to the counter whose key is on top of the stack,
// and returns the code. It begins at the symbol "count", and returns without counting from
// "out" on.
func countOne(counters *ebpf.Map, code int32) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R2, asm.RFP).WithSymbol("count"),
		asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, counters.FD()),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, code).WithSymbol("out"),
		asm.Return(),
	}
}

// dropper loads a program that drops and counts every frame. XDP programs and those of tc
// differ only in their type and the code.
func dropper(t testing.TB, kind ebpf.ProgramType, code int32) (*ebpf.Program, func() int) {
	t.Helper()
	counter, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { counter.Close() })
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: kind, License: "GPL", Instructions: slices.Concat(
		asm.Instructions{asm.StoreImm(asm.RFP, -4, 0, asm.Word)}, countOne(counter, code))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return program, func() int {
		var n uint64
		if err := counter.Lookup(uint32(0), &n); err != nil {
			t.Fatal(err)
		}
		return int(n)
	}
}

// DropXDP attaches an XDP program to a link, through a link of eBPF, of which the kernel
// tells by no event.
func DropXDP(t testing.TB, h *lab.Host, name string, mode link.XDPAttachFlags) Hook {
	t.Helper()
	program, count := dropper(t, ebpf.XDP, xdpDrop)
	index := labtest.LinkOf(t, h, name).Attrs().Index
	return attached(t, h, count, func() (link.Link, error) {
		return link.AttachXDP(link.XDPOptions{Program: program, Interface: index, Flags: mode})
	})
}

// DropXDPByNetlink attaches an XDP program to a link as ip link does.
func DropXDPByNetlink(t testing.TB, h *lab.Host, name string, mode link.XDPAttachFlags) Hook {
	t.Helper()
	program, count := dropper(t, ebpf.XDP, xdpDrop)
	l := labtest.LinkOf(t, h, name)
	set := func(fd int) {
		t.Helper()
		if err := h.Do(func() error { return netlink.LinkSetXdpFdWithFlags(l, fd, int(mode)) }); err != nil {
			t.Fatalf("set XDP program of %s: %v", name, err)
		}
	}
	set(program.FD())
	return Hook{Count: count, Remove: func() { set(-1) }}
}

// DropTCX attaches a program to a tcx chain of a link, first or last.
func DropTCX(t testing.TB, h *lab.Host, name string, at ebpf.AttachType, anchor link.Anchor) Hook {
	t.Helper()
	program, count := dropper(t, ebpf.SchedCLS, tcShot)
	index := labtest.LinkOf(t, h, name).Attrs().Index
	return attached(t, h, count, func() (link.Link, error) {
		return link.AttachTCX(link.TCXOptions{Program: program, Interface: index, Attach: at, Anchor: anchor})
	})
}

// attached attaches a program by a link of eBPF.
func attached(t testing.TB, h *lab.Host, count func() int, attach func() (link.Link, error)) Hook {
	t.Helper()
	var l link.Link
	err := h.Do(func() (err error) {
		l, err = attach()
		return err
	})
	if err != nil {
		t.Fatalf("attach a program: %v", err)
	}
	t.Cleanup(func() { l.Close() })
	// Close alone would leave the program to a process that another test is just starting.
	return Hook{Count: count, Remove: func() { labtest.Must(t, errors.Join(l.Detach(), l.Close())) }}
}

// DropFilter adds a filter of tc to a clsact qdisc of a link. parent is
// netlink.HANDLE_MIN_INGRESS or netlink.HANDLE_MIN_EGRESS.
func DropFilter(t testing.TB, h *lab.Host, name string, parent uint32) Hook {
	t.Helper()
	program, count := dropper(t, ebpf.SchedCLS, tcShot)
	index := labtest.LinkOf(t, h, name).Attrs().Index
	qdisc := &netlink.GenericQdisc{QdiscType: "clsact", QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
	}}
	if err := h.Netlink().QdiscAdd(qdisc); err != nil && !errors.Is(err, unix.EEXIST) {
		t.Fatalf("add clsact qdisc to %s: %v", name, err)
	}
	filter := &netlink.BpfFilter{
		FilterAttrs:  netlink.FilterAttrs{LinkIndex: index, Parent: parent, Protocol: unix.ETH_P_ALL, Priority: 20},
		Fd:           program.FD(),
		Name:         "drop",
		DirectAction: true,
	}
	if err := h.Netlink().FilterAdd(filter); err != nil {
		t.Fatalf("add filter to %s: %v", name, err)
	}
	return Hook{Count: count, Remove: func() {
		if err := h.Netlink().FilterDel(filter); err != nil {
			t.Errorf("remove filter of %s: %v", name, err)
		}
	}}
}

// DropNFTables makes a chain of nftables at a hook of a link, "ingress" or "egress".
func DropNFTables(t testing.TB, h *lab.Host, name, hook string) Hook {
	t.Helper()
	RequireProgram(t, "nft")
	labtest.Run(t, h, "nft", fmt.Sprintf(`add table netdev dropper; add chain netdev dropper frames { type filter hook %s device "%s" priority 0; };`+
		` add rule netdev dropper frames counter drop`, hook, name))
	return Hook{
		Count: func() int {
			return Numbers(t, labtest.Run(t, h, "nft", "list", "ruleset"), `counter packets (\d+)`)[0]
		},
		Remove: func() { labtest.Run(t, h, "nft", "delete table netdev dropper") },
	}
}

// DropQdisc gives a link a queueing discipline that has no room for a frame.
func DropQdisc(t testing.TB, h *lab.Host, name string) Hook {
	t.Helper()
	labtest.Run(t, h, "tc", strings.Fields("qdisc replace dev "+name+" root handle 99: pfifo limit 0")...)
	return Hook{
		Count: func() int {
			return Numbers(t, labtest.Run(t, h, "tc", "-s", "qdisc", "show", "dev", name, "root"), `dropped (\d+)`)[0]
		},
		Remove: func() { labtest.Run(t, h, "tc", "qdisc", "del", "dev", name, "root") },
	}
}
