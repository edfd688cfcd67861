package port

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// control is memory for the control messages that come with one frame (recvmsg(2)): the
// auxiliary data of every frame (uapi/linux/if_packet.h, PACKET_AUXDATA), and the time of its
// arrival if the socket has SO_TIMESTAMPNS.
type control [128]byte

// read returns what the messages say, which the kernel has written into the first n bytes.
// A missing message gives zeros.
func (c *control) read(n int) (aux unix.TpacketAuxdata, arrived unix.Timespec) {
	const header = unix.SizeofCmsghdr
	for at := 0; at+header <= min(n, len(c)); {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&c[at]))
		length := int(h.Len)
		if length < header || at+length > len(c) {
			break
		}
		data := c[at+header : at+length]
		switch {
		case h.Level == unix.SOL_PACKET && h.Type == unix.PACKET_AUXDATA:
			copyInto(&aux, data)
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_TIMESTAMPNS:
			copyInto(&arrived, data)
		}
		at += unix.CmsgSpace(length - header)
	}
	return aux, arrived
}

// copyInto copies the first bytes of data into v, as many as both have. T is a structure of the
// kernel without pointers.
func copyInto[T any](v *T, data []byte) {
	copy(unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)), data)
}
