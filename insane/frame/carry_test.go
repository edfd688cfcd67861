//go:build !fuzz

package frame_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"
	"unsafe"

	"github.com/seed-39a139a1/insane/insane/frame"
	"golang.org/x/sys/unix"
)

// endMark follows what a test sends: a frame of an experimental type of IEEE 802.
func endMark() frame.Frame { return plain(0x88b5, 46) }

// send sends frames into the near end, and behind them the end mark.
func (v *veth) send(t *testing.T, frames ...frame.Frame) {
	t.Helper()
	onOneProcessor(t, func() {
		for i, f := range append(frames[:len(frames):len(frames)], endMark()) {
			if _, err := unix.Write(v.near, f); err != nil {
				t.Fatalf("send frame %d of %d: %v", i, len(frames), err)
			}
		}
	})
}

// carry sends frames into the near end and returns the packets that come out
// of the far one, in order, with their VLAN tags.
func (v *veth) carry(t *testing.T, frames ...frame.Frame) (packets [][]byte) {
	t.Helper()
	v.send(t, frames...)
	for {
		p := v.hear(t)
		switch {
		case bytes.Equal(p, endMark()[frame.HeaderLen:]):
			return packets
		case bytes.Equal(p[6:12], macFrom): // else the kernel says hello
			packets = append(packets, p)
		}
	}
}

// onOneProcessor calls f on one processor. A veth pair queues packets by
// processor (enqueue_to_backlog of net/core/dev.c), so that what is sent on two
// may arrive in another order.
func onOneProcessor(t *testing.T, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatalf("get affinity: %v", err)
	}
	first := 0
	for !all.IsSet(first) {
		first++
	}
	one.Set(first)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatalf("set affinity: %v", err)
	}
	defer unix.SchedSetaffinity(0, &all)
	f()
}

// hear receives one packet and puts back the outer VLAN tag.
func (v *veth) hear(t *testing.T) []byte {
	t.Helper()
	n, tag := v.receive(t, v.buffer)
	p := bytes.Clone(v.buffer[:n])
	if tag != nil {
		p = append(append(p[:12:12], tag...), p[12:]...)
	}
	return p
}

// receive reads from the far end into p. tag is the outer VLAN tag, which the
// kernel takes from the bytes of every packet that it receives
// (skb_vlan_untag), or nil.
func (v *veth) receive(t *testing.T, p []byte) (n int, tag []byte) {
	t.Helper()
	oob := make([]byte, 128)
	n, oobn, flags, _, err := unix.Recvmsg(v.far, p, oob, 0)
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	if flags&unix.MSG_TRUNC != 0 {
		t.Fatalf("receive: frame is longer than %d bytes", len(p))
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA {
			continue
		}
		aux := (*unix.TpacketAuxdata)(unsafe.Pointer(&m.Data[0]))
		if aux.Status&unix.TP_STATUS_VLAN_VALID != 0 {
			tag = binary.BigEndian.AppendUint16(tag, aux.Vlan_tpid)
			tag = binary.BigEndian.AppendUint16(tag, aux.Vlan_tci)
		}
	}
	return n, tag
}
