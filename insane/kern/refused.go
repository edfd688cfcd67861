package kern

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Open and the Attach methods return errors that errors.Is finds equal to one of these.
var (
	ErrRights      = errors.New("needs root, or CAP_BPF and CAP_NET_ADMIN")
	ErrUnsupported = errors.New("this kernel cannot do it")
)

// Reasons why the kernel refuses eBPF to a process that has both capabilities.
const (
	innerRights refusal = "needs CAP_BPF and CAP_NET_ADMIN of the first user namespace; root of another one, " +
		"as in a rootless container, is not enough"
	filtered refusal = "CAP_BPF and CAP_NET_ADMIN are there, but a seccomp filter forbids bpf(), as the usual one of " +
		"containers does: start the container with --security-opt seccomp=unconfined, or with a profile that allows bpf"
	forbidden refusal = "CAP_BPF and CAP_NET_ADMIN are there, but bpf() is forbidden: by a security module or by the " +
		"lockdown of the kernel"
)

// refusal is ErrRights with a text of its own.
type refusal string

// Error returns the text.
func (r refusal) Error() string { return string(r) }

// Is reports whether target is ErrRights.
func (r refusal) Is(target error) bool { return target == ErrRights }

// explain wraps an error of the kernel in one that tells a user what is missing.
func explain(what string, err error) error {
	// The text of the library about missing rights is written for programmers, so
	// only the error number is kept.
	for _, errno := range []unix.Errno{unix.EPERM, unix.EACCES} {
		if errors.Is(err, errno) && !verified(err) {
			return fmt.Errorf("%s: %w: %w", what, errno, whyRefused())
		}
	}
	if few := fewDescriptors(); few != "" && (errors.Is(err, unix.EMFILE) || !verified(err)) {
		return fmt.Errorf("%s: %w: %s", what, unix.EMFILE, few)
	}
	if verified(err) || errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.ENOSYS) {
		return fmt.Errorf("%s: %w: %w", what, err, ErrUnsupported)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// enoughDescriptors are enough for a device: some 60 of its own, half of them for programs and maps,
// and a quarter for connections.
const enoughDescriptors = 96

// fewDescriptors says that the process may open too few files for the programs and maps; ""
// if that cannot be the reason. The library tells it as something that the kernel cannot do.
func fewDescriptors() string {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= enoughDescriptors {
		return ""
	}
	return fmt.Sprintf("the process may open %d files, and a device needs up to %d (RLIMIT_NOFILE, ulimit -n)", limit.Cur, enoughDescriptors)
}

// verified reports whether it was the verifier that has refused a program: who may load no
// programs does not get that far.
func verified(err error) bool {
	var refused *ebpf.VerifierError
	return errors.As(err, &refused) && len(refused.Log) > 0
}

// firstUserNamespace is the inode of the user namespace that the machine starts with
// (include/linux/proc_ns.h, PROC_USER_INIT_INO).
const firstUserNamespace = 0xEFFFFFFD

// whyRefused returns why the kernel has refused eBPF to the calling thread.
func whyRefused() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return ErrRights
	}
	has := func(capability int) bool { return data[capability/32].Effective&(1<<(capability%32)) != 0 }
	if !has(unix.CAP_SYS_ADMIN) && !(has(unix.CAP_BPF) && has(unix.CAP_NET_ADMIN)) {
		return ErrRights
	}
	var namespace unix.Stat_t
	if unix.Stat("/proc/thread-self/ns/user", &namespace) == nil && namespace.Ino != firstUserNamespace {
		return innerRights
	}
	const filter = 2 // uapi/linux/seccomp.h, SECCOMP_MODE_FILTER
	if mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err == nil && mode == filter {
		return filtered
	}
	return forbidden
}
