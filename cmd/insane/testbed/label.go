package testbed

import (
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// LabelBase is the first destination port of UDP packets whose label LabelCheck compares.
// LabelPorts is the number of these ports.
const (
	LabelBase  = 20000
	LabelPorts = 8
)

// LabelCheck compares the priority and the mark of UDP packets over IPv4 that a link sends
// with their destination port. Both are to be the port, and 0 for LabelBase. Right and wrong
// return how many frames it has seen.
func LabelCheck(t testing.TB, h *lab.Host, name string) (right, wrong func() int) {
	t.Helper()
	// Offsets in an Ethernet frame, and in struct __sk_buff of uapi/linux/bpf.h.
	const etherType, protocol, port, mark, priority = 12, 23, 36, 8, 32
	counters, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { counters.Close() })
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: slices.Concat(asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadAbs(etherType, asm.Half),
		asm.JNE.Imm(asm.R0, 0x0800, "out"),
		asm.LoadAbs(protocol, asm.Byte),
		asm.JNE.Imm(asm.R0, 17, "out"),
		asm.LoadAbs(port, asm.Half),
		asm.Mov.Reg(asm.R7, asm.R0),
		asm.JLT.Imm(asm.R7, LabelBase, "out"),
		asm.JGE.Imm(asm.R7, LabelBase+LabelPorts, "out"),
		asm.JNE.Imm(asm.R7, LabelBase, "compare"),
		asm.Mov.Imm(asm.R7, 0),
		asm.StoreImm(asm.RFP, -4, 1, asm.Word).WithSymbol("compare"), // wrong, so far
		asm.LoadMem(asm.R8, asm.R6, mark, asm.Word),
		asm.JNE.Reg(asm.R8, asm.R7, "count"),
		asm.LoadMem(asm.R8, asm.R6, priority, asm.Word),
		asm.JNE.Reg(asm.R8, asm.R7, "count"),
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
	}, countOne(counters, tcxNext))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	count := func(key uint32) func() int {
		return func() (n int) {
			var value uint64
			if err := counters.Lookup(key, &value); err != nil {
				t.Fatal(err)
			}
			return int(value)
		}
	}
	attached(t, h, nil, func() (link.Link, error) {
		index := labtest.LinkOf(t, h, name).Attrs().Index
		return link.AttachTCX(link.TCXOptions{Program: program, Interface: index, Attach: ebpf.AttachTCXEgress})
	})
	return count(0), count(1)
}
