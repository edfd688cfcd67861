package kern

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// refusal is ErrRights for a process that has the capabilities: it says what else forbids
// eBPF.
type refusal string

// Error returns the reason.
func (r refusal) Error() string { return string(r) }

// Is makes every refusal an ErrRights.
func (refusal) Is(target error) bool { return target == ErrRights }

// The reasons besides missing capabilities, and what to do about each.
const (
	otherUsers refusal = "eBPF needs the capabilities in the first user namespace, and this process is root of another one"
	filtered   refusal = "the capabilities are there, but a seccomp filter forbids bpf(), as the usual one of containers does: " +
		"start the container with --security-opt seccomp=unconfined, or with a profile that allows bpf"
	guarded refusal = "the capabilities are there, but a security module or the lockdown of the kernel forbids it"
)

// whyRefused returns why the kernel refuses eBPF to the calling thread: ErrRights, or an
// error that is an ErrRights for errors.Is. It looks at the thread, and makes no attempt.
func whyRefused() error {
	switch {
	case !capable():
		return ErrRights
	case !firstUserNamespace():
		return otherUsers
	case seccompFilter():
		return filtered
	}
	return guarded
}

// capable reports whether the thread has the capabilities for eBPF (kernel/bpf/syscall.c,
// bpf_prog_load).
func capable() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return false
	}
	has := func(c int) bool { return sets[c/32].Effective&(1<<(c%32)) != 0 }
	return has(unix.CAP_SYS_ADMIN) || has(unix.CAP_BPF) && has(unix.CAP_NET_ADMIN)
}

// firstUserNamespace reports whether the process is in the user namespace of the machine,
// in which every number of a user means itself (user_namespaces(7)).
func firstUserNamespace() bool {
	text, err := os.ReadFile("/proc/thread-self/uid_map")
	return err != nil || strings.Join(strings.Fields(string(text)), " ") == "0 0 4294967295"
}

// seccompFilter reports whether a seccomp filter looks at the system calls of the thread.
func seccompFilter() bool {
	const filter = 2 // uapi/linux/seccomp.h, SECCOMP_MODE_FILTER
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	return err == nil && mode == filter
}
