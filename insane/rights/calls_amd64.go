package rights

import "golang.org/x/sys/unix"

// architecture is the number of this architecture in struct seccomp_data.
const architecture = unix.AUDIT_ARCH_X86_64

// architectureCalls are older forms of some calls of calls.go, which only x86 has.
var architectureCalls = []int{
	unix.SYS_OPEN, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_ACCESS, unix.SYS_READLINK, unix.SYS_UNLINK,
	unix.SYS_MKDIR, unix.SYS_RENAME, unix.SYS_CHMOD, unix.SYS_DUP2, unix.SYS_PIPE, unix.SYS_POLL, unix.SYS_SELECT,
	unix.SYS_EPOLL_CREATE, unix.SYS_EPOLL_WAIT, unix.SYS_EVENTFD, unix.SYS_TIME, unix.SYS_ARCH_PRCTL,
}
