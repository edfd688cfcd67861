package host

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Peer is the process at the other end of a control connection. The kernel recorded these
// values when the process connected (unix(7), SO_PEERCRED and SO_PEERGROUPS).
type Peer struct {
	UID, GID uint32
	PID      int32    // for the log only: it may be another process by now
	Groups   []uint32 // supplementary
}

// In reports whether gid is the peer's group or one of its supplementary groups.
func (p Peer) In(gid uint32) bool {
	if p.GID == gid {
		return true
	}
	for _, g := range p.Groups {
		if g == gid {
			return true
		}
	}
	return false
}

// peerOf asks the kernel for the credentials of the peer of a connection. It does not wait
// for the peer. A peer cannot forge them, so they may decide who may change the device.
func peerOf(fd int) (Peer, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Peer{}, fmt.Errorf("read peer credentials: %w", err)
	}
	p := Peer{UID: cred.Uid, GID: cred.Gid, PID: cred.Pid}
	if p.Groups, err = peerGroups(uintptr(fd)); err != nil {
		return Peer{}, fmt.Errorf("read peer groups: %w", err)
	}
	return p, nil
}

// peerGroups reads SO_PEERGROUPS. If the buffer is too small, the kernel returns ERANGE
// and the size that it needs.
func peerGroups(fd uintptr) ([]uint32, error) {
	groups := make([]uint32, 32)
	for {
		size := uint32(len(groups) * 4)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == 0:
			return groups[:size/4], nil
		case errno == unix.ERANGE && int(size) > len(groups)*4:
			groups = make([]uint32, size/4)
		default:
			return nil, errno
		}
	}
}
