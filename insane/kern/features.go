package kern

import (
	"errors"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// loopback is the index of the loopback interface of every network namespace.
const loopback = 1

// Features are what a device can use of the kernel. Each is nil, or an error that says what is
// missing and wraps ErrRights or ErrUnsupported if one of these is the cause.
type Features struct {
	EBPF error // programs: the receive filter, and the fast path
	TCX  error // hooks for the fast path that go with the process (Linux 6.6)
}

// Probe asks the kernel for its features. It changes nothing, takes milliseconds, and works
// without rights: then it finds that these are missing.
func Probe() (f Features) {
	raiseMemoryLimit()
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err == nil {
		err = program.Close()
	}
	if f.EBPF = reason(err); f.EBPF != nil {
		// The kernel does not tell who may load no programs.
		f.TCX = f.EBPF
		return f
	}
	_, err = link.QueryPrograms(link.QueryOptions{Target: loopback, Attach: ebpf.AttachTCXIngress})
	if errors.Is(err, unix.EINVAL) {
		err = ebpf.ErrNotSupported // an older kernel does not know the request
	}
	f.TCX = reason(err)
	return f
}

// reason returns the cause of an error of the kernel, for a table.
func reason(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return whyRefused()
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, unix.ENOSYS):
		return ErrUnsupported
	}
	return err
}
