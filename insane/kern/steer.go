package kern

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// newSteering loads a program that chooses the first queue of a TAP for each frame. The
// daemon has the first queue; another program that opens the interface has a later one, and
// without this one the kernel would give it some of the frames.
func newSteering() (*ebpf.Program, error) {
	return ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "transmit_steer", Type: ebpf.SocketFilter, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
}
