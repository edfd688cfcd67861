package rights

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// ErrNoFilter is the error of Filter where there can be none: the kernel has no seccomp, or
// this package has no list for the architecture.
var ErrNoFilter = errors.New("no filter of system calls here")

// Offsets in bytes into struct seccomp_data (uapi/linux/seccomp.h), on little-endian
// machines.
const (
	offNumber   = 0
	offArch     = 4
	offArgument = 16 // the lower half of the first one
)

// Answers of the filter. A refused call fails as on a kernel that does not have it: programs
// are prepared for that.
const (
	allow  = unix.SECCOMP_RET_ALLOW
	refuse = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// Filter makes the kernel refuse, in all threads and for good, every system call that a
// running daemon has no use for (seccomp(2)): to execute programs, to make processes, to
// mount, to enter namespaces, to trace, to load modules, and others. Call it when the daemon
// is complete. The process must have given up new rights: see Reduce.
func Filter() error {
	if architecture == 0 {
		return ErrNoFilter
	}
	raw, err := bpf.Assemble(program(os.Getpid()))
	if err != nil {
		return fmt.Errorf("assemble the filter of system calls: %w", err)
	}
	prog := unix.SockFprog{Len: uint16(len(raw)), Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(raw)))}
	// Without SPEC_ALLOW, kernels before 5.16 slow down every process that has a filter.
	const flags = unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	switch {
	case errno == unix.ENOSYS, errno == unix.EINVAL:
		return ErrNoFilter
	case errno != 0:
		return fmt.Errorf("set the filter of system calls: %w", errno)
	case thread != 0:
		return fmt.Errorf("set the filter of system calls: thread %d has another one", thread)
	}
	return nil
}

// program is the filter for the process of this number. The kernel runs it for a system
// call only if it depends on an argument; the answers to the others it keeps
// (kernel/seccomp.c, seccomp_cache_prepare).
func program(pid int) []bpf.Instruction {
	list := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: architecture, SkipTrue: 1},
		bpf.RetConstant{Val: refuse},
		bpf.LoadAbsolute{Off: offNumber, Size: 4},
	}
	for _, number := range slices.Concat(calls, architectureCalls) {
		list = append(list,
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(number), SkipFalse: 1},
			bpf.RetConstant{Val: allow})
	}
	for _, number := range signalCalls {
		list = append(list, onlyIf(number, bpf.JumpEqual, uint32(pid))...)
	}
	list = append(list, onlyIf(unix.SYS_CLONE, bpf.JumpBitsSet, unix.CLONE_THREAD)...)
	return append(list, bpf.RetConstant{Val: refuse})
}

// onlyIf allows a system call if its first argument passes a test. The filter has loaded the
// number of the call, and still has it behind these instructions if it is another call.
func onlyIf(number int, test bpf.JumpTest, value uint32) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(number), SkipFalse: 4},
		bpf.LoadAbsolute{Off: offArgument, Size: 4},
		bpf.JumpIf{Cond: test, Val: value, SkipFalse: 1},
		bpf.RetConstant{Val: allow},
		bpf.RetConstant{Val: refuse},
	}
}
