package port

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// On Linux 6.17 and newer, a TAP carries super-frames of UDP tunnels (VXLAN, GENEVE, FOU, GUE)
// in one piece. Its virtio header is longer then: struct virtio_net_hdr_v1_hash_tunnel of
// uapi/linux/virtio_net.h. It begins with the header of package frame. The kernel refuses
// the offloads as long as the header is the short one.
const (
	longHeaderLen = 24
	longHeaderAdd = longHeaderLen - frame.HeaderLen // bytes behind the header of package frame
	offOuter      = 20 - frame.HeaderLen            // in these bytes, where the outer UDP header begins
	offInner      = 22 - frame.HeaderLen            // and the inner IP header; little endian on every machine

	tapOffloadsTunnel = 0x80 | 0x100 // TUN_F_UDP_TUNNEL_GSO, TUN_F_UDP_TUNNEL_GSO_CSUM of uapi/linux/if_tun.h
)

// CarriesTunnels implements Tunneller.
func (t *TAP) CarriesTunnels() bool { return t.header == longHeaderLen }

// offloadTunnels makes the header the longer one and asks for all offloads. If the kernel
// refuses, the header stays the short one, and offloadTunnels returns false.
func (t *TAP) offloadTunnels() bool {
	if t.setHeader(longHeaderLen) == nil && t.setOffloads(tapOffloads|tapOffloadsUDP|tapOffloadsTunnel) == nil {
		t.header, t.readFrame, t.writeFrame = longHeaderLen, readLong, new(longWriter).write
		return true
	}
	_ = t.setHeader(frame.HeaderLen) // as it was made
	return false
}

// readLong reads one frame with the longer header, and moves the part that package frame
// knows to its place in front of the Ethernet header.
func readLong(fd int, buf []byte) (from, to int, err error) {
	if _, to, err = readTAP(fd, buf); err != nil || to < longHeaderLen {
		return 0, 0, err
	}
	from = longHeaderAdd
	copy(buf[from:longHeaderLen], buf)
	frame.Frame(buf[from:to]).Unmark()
	return from, to, nil
}

// longWriter writes frames with the longer header. It is for one goroutine.
type longWriter struct {
	add     [longHeaderAdd]byte
	vectors [3]unix.Iovec
}

// write writes one frame. The error is an errno.
func (w *longWriter) write(fd int, f frame.Frame) error {
	outer, inner, _ := f.Tunnel() // 0 and 0 for a frame without marks
	binary.LittleEndian.PutUint16(w.add[offOuter:], uint16(outer))
	binary.LittleEndian.PutUint16(w.add[offInner:], uint16(inner))
	head := min(frame.HeaderLen, len(f))
	for i, part := range [...][]byte{f[:head], w.add[:], f[head:]} {
		w.vectors[i].Base = unsafe.SliceData(part)
		w.vectors[i].SetLen(len(part))
	}
	_, _, errno := unix.Syscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&w.vectors)), uintptr(len(w.vectors)))
	w.vectors = [3]unix.Iovec{} // the frame is the caller's
	if errno != 0 {
		return errno
	}
	return nil
}
