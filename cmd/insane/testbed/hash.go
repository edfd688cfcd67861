package testbed

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// HashCheck compares the hashes of the UDP packets over IPv4 that a link sends. Queueing
// disciplines sort flows by this hash, so all packets of one flow must have the same. It
// returns how many frames had another hash than the first one. Only one flow may be sent.
func HashCheck(t testing.TB, h *lab.Host, name string) (others func() int) {
	t.Helper()
	const etherType, protocol = 12, 23 // offsets in an Ethernet frame
	const first, other = 0, 1          // keys of the map
	values, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { values.Close() })
	lookup := func(key int64) asm.Instructions {
		return asm.Instructions{
			asm.StoreImm(asm.RFP, -4, key, asm.Word),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, -4),
			asm.LoadMapPtr(asm.R1, values.FD()),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, "out"),
		}
	}
	code := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadAbs(etherType, asm.Half),
		asm.JNE.Imm(asm.R0, 0x0800, "out"),
		asm.LoadAbs(protocol, asm.Byte),
		asm.JNE.Imm(asm.R0, 17, "out"),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.FnGetHashRecalc.Call(),
		asm.Mov.Reg(asm.R7, asm.R0),
	}
	code = append(code, lookup(first)...)
	code = append(code,
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
		asm.JEq.Reg(asm.R1, asm.R7, "out"),
		asm.JNE.Imm(asm.R1, 0, "other"),
		asm.StoreMem(asm.R0, 0, asm.R7, asm.DWord),
		asm.Ja.Label("out"),
		asm.Mov.Imm(asm.R8, 1).WithSymbol("other"))
	code = append(code, lookup(other)...)
	code = append(code,
		asm.StoreXAdd(asm.R0, asm.R8, asm.DWord),
		asm.Mov.Imm(asm.R0, -1).WithSymbol("out"), // TCX_NEXT
		asm.Return())
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: code})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	attached(t, h, nil, func() (link.Link, error) {
		index := labtest.LinkOf(t, h, name).Attrs().Index
		return link.AttachTCX(link.TCXOptions{Program: program, Interface: index, Attach: ebpf.AttachTCXEgress})
	})
	return func() (n int) {
		var value uint64
		if err := values.Lookup(uint32(other), &value); err != nil {
			t.Fatal(err)
		}
		return int(value)
	}
}
