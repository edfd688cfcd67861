package host

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// Only packet sockets for all protocols get the frames that a link sends, if they are
// bound to this link or to all links.
func TestListens(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near, far := linkOf(t, l, "near").Index, linkOf(t, l, "far").Index
	for _, c := range []struct {
		what          string
		protocol      uint16
		index         int
		onNear, onFar bool
	}{
		{"a sender", 0, near, false, false},
		{"of one protocol", unix.ETH_P_ARP, near, false, false},
		{"on the link", unix.ETH_P_ALL, near, true, false},
		{"on the other", unix.ETH_P_ALL, far, false, true},
		{"on all links", unix.ETH_P_ALL, 0, true, true},
	} {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		must(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, c.protocol)), Ifindex: c.index}))
		for index, want := range map[int]bool{near: c.onNear, far: c.onFar} {
			if got, err := Listens(index); err != nil || got != want {
				t.Errorf("%s: on link %d %v (%v), want %v", c.what, index, got, err, want)
			}
		}
		must(t, unix.Close(fd))
	}
	if got, err := Listens(near); err != nil || got {
		t.Errorf("after all are closed: %v (%v)", got, err)
	}
}
