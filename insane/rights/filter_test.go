package rights

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// call is a system call as the filter sees it.
type call struct {
	number int
	arch   uint32
	first  uint32 // the lower half of the first argument
}

// answer runs the filter for a call, in user space: there it reads numbers in network byte
// order.
func (c call) answer(t *testing.T, machine *bpf.VM) uint32 {
	t.Helper()
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[offNumber:], uint32(c.number))
	binary.BigEndian.PutUint32(data[offArch:], c.arch)
	binary.BigEndian.PutUint32(data[offArgument:], c.first)
	n, err := machine.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}

// The answer of the filter depends on the call, and for some calls on its first argument.
func TestFilterAnswers(t *testing.T) {
	if architecture == 0 {
		t.Skip("no filter for this architecture")
	}
	const pid, arch = 77, uint32(architecture)
	machine, err := bpf.NewVM(program(pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what  string
		call  call
		allow bool
	}{
		{"read", call{unix.SYS_READ, arch, 0}, true},
		{"the last of the list", call{calls[len(calls)-1], arch, 0}, true},
		{"a thread", call{unix.SYS_CLONE, arch, unix.CLONE_VM | unix.CLONE_THREAD}, true},
		{"a process", call{unix.SYS_CLONE, arch, uint32(unix.SIGCHLD)}, false},
		{"a signal to itself", call{unix.SYS_TGKILL, arch, pid}, true},
		{"a signal to another", call{unix.SYS_TGKILL, arch, pid + 1}, false},
		{"kill itself", call{unix.SYS_KILL, arch, pid}, true},
		{"kill all", call{unix.SYS_KILL, arch, ^uint32(0)}, false},
		{"kill the group", call{unix.SYS_KILL, arch, 0}, false},
		{"execute", call{unix.SYS_EXECVE, arch, 0}, false},
		{"another architecture", call{unix.SYS_READ, arch ^ 1, 0}, false},
		{"the x32 form", call{unix.SYS_READ | 0x40000000, arch, 0}, false},
		{"no such call", call{100_000, arch, 0}, false},
	} {
		want := uint32(refuse)
		if c.allow {
			want = allow
		}
		if got := c.call.answer(t, machine); got != want {
			t.Errorf("%s: %#x, want %#x", c.what, got, want)
		}
	}
}

// forbidden are system calls that a daemon must not make any more, each with arguments that
// do no harm if the kernel carries it out.
var forbidden = []struct {
	name   string
	number uintptr
	args   [3]uintptr
}{
	{"execve", unix.SYS_EXECVE, [3]uintptr{}},
	{"execveat", unix.SYS_EXECVEAT, [3]uintptr{none}},
	{"clone3", unix.SYS_CLONE3, [3]uintptr{}},
	{"ptrace", unix.SYS_PTRACE, [3]uintptr{none}},
	{"process_vm_readv", unix.SYS_PROCESS_VM_READV, [3]uintptr{none}},
	{"process_vm_writev", unix.SYS_PROCESS_VM_WRITEV, [3]uintptr{none}},
	{"process_madvise", unix.SYS_PROCESS_MADVISE, [3]uintptr{none}},
	{"pidfd_open", unix.SYS_PIDFD_OPEN, [3]uintptr{none}},
	{"pidfd_getfd", unix.SYS_PIDFD_GETFD, [3]uintptr{none, none}},
	{"pidfd_send_signal", unix.SYS_PIDFD_SEND_SIGNAL, [3]uintptr{none}},
	{"mount", unix.SYS_MOUNT, [3]uintptr{}},
	{"umount2", unix.SYS_UMOUNT2, [3]uintptr{}},
	{"pivot_root", unix.SYS_PIVOT_ROOT, [3]uintptr{}},
	{"chroot", unix.SYS_CHROOT, [3]uintptr{}},
	{"open_tree", unix.SYS_OPEN_TREE, [3]uintptr{none}},
	{"move_mount", unix.SYS_MOVE_MOUNT, [3]uintptr{none}},
	{"fsopen", unix.SYS_FSOPEN, [3]uintptr{}},
	{"fsmount", unix.SYS_FSMOUNT, [3]uintptr{none}},
	{"mount_setattr", unix.SYS_MOUNT_SETATTR, [3]uintptr{none}},
	{"setns", unix.SYS_SETNS, [3]uintptr{none}},
	{"unshare", unix.SYS_UNSHARE, [3]uintptr{0x80000000}},
	{"init_module", unix.SYS_INIT_MODULE, [3]uintptr{}},
	{"finit_module", unix.SYS_FINIT_MODULE, [3]uintptr{none}},
	{"delete_module", unix.SYS_DELETE_MODULE, [3]uintptr{}},
	{"kexec_load", unix.SYS_KEXEC_LOAD, [3]uintptr{0, none}},
	{"reboot", unix.SYS_REBOOT, [3]uintptr{}},
	{"swapon", unix.SYS_SWAPON, [3]uintptr{}},
	{"swapoff", unix.SYS_SWAPOFF, [3]uintptr{}},
	{"acct", unix.SYS_ACCT, [3]uintptr{none}},
	{"quotactl", unix.SYS_QUOTACTL, [3]uintptr{none}},
	{"settimeofday", unix.SYS_SETTIMEOFDAY, [3]uintptr{none}},
	{"clock_settime", unix.SYS_CLOCK_SETTIME, [3]uintptr{none}},
	{"add_key", unix.SYS_ADD_KEY, [3]uintptr{}},
	{"request_key", unix.SYS_REQUEST_KEY, [3]uintptr{}},
	{"keyctl", unix.SYS_KEYCTL, [3]uintptr{none}},
	{"perf_event_open", unix.SYS_PERF_EVENT_OPEN, [3]uintptr{}},
	{"userfaultfd", unix.SYS_USERFAULTFD, [3]uintptr{none}},
	{"io_uring_setup", unix.SYS_IO_URING_SETUP, [3]uintptr{}},
	{"io_uring_enter", unix.SYS_IO_URING_ENTER, [3]uintptr{none}},
	{"io_uring_register", unix.SYS_IO_URING_REGISTER, [3]uintptr{none}},
	{"name_to_handle_at", unix.SYS_NAME_TO_HANDLE_AT, [3]uintptr{none}},
	{"open_by_handle_at", unix.SYS_OPEN_BY_HANDLE_AT, [3]uintptr{none}},
	{"mknodat", unix.SYS_MKNODAT, [3]uintptr{none}},
	{"linkat", unix.SYS_LINKAT, [3]uintptr{none, 0, none}},
	{"symlinkat", unix.SYS_SYMLINKAT, [3]uintptr{0, none}},
	{"truncate", unix.SYS_TRUNCATE, [3]uintptr{}},
	{"fchownat", unix.SYS_FCHOWNAT, [3]uintptr{none}},
	{"setxattr", unix.SYS_SETXATTR, [3]uintptr{}},
	{"setuid", unix.SYS_SETUID, [3]uintptr{none}},
	{"setgid", unix.SYS_SETGID, [3]uintptr{none}},
	{"setgroups", unix.SYS_SETGROUPS, [3]uintptr{none}},
	{"capset", unix.SYS_CAPSET, [3]uintptr{}},
	{"sethostname", unix.SYS_SETHOSTNAME, [3]uintptr{0, none}},
	{"syslog", unix.SYS_SYSLOG, [3]uintptr{none}},
	{"personality", unix.SYS_PERSONALITY, [3]uintptr{0xffffffff}},
	{"seccomp", unix.SYS_SECCOMP, [3]uintptr{none}},
}

// none is an invalid descriptor, process or number.
const none = ^uintptr(0)

// TestFilterRefuses: a process that has called Filter can make none of the forbidden calls,
// and does all that a daemon does.
func TestFilterRefuses(t *testing.T) {
	if architecture == 0 {
		t.Skip("no filter for this architecture")
	}
	runChild(t, "filtered")
}

// filtered is the child of TestFilterRefuses.
func filtered(check func(error, string)) {
	check(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "give up new rights")
	check(Filter(), "filter")
	for _, f := range forbidden {
		if _, _, errno := unix.RawSyscall(f.number, f.args[0], f.args[1], f.args[2]); errno != unix.ENOSYS {
			check(errno, f.name+" is not refused")
		}
	}
	work(check)
}
