package frame_test

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/seed-39a139a1/insane/insane/frame"
)

func TestHeaderLayout(t *testing.T) {
	want := frame.Header{
		Flags:      frame.NeedsCsum,
		GSOType:    frame.GSOTCPv6 | frame.GSOECN,
		HdrLen:     0x0102,
		GSOSize:    0x0304,
		CsumStart:  0x0506,
		CsumOffset: 0x0708,
	}
	f := make(frame.Frame, frame.HeaderLen+1)
	f[frame.HeaderLen] = 0xaa
	f.SetHeader(want)

	bytes := []byte{1, 0x84}
	for _, field := range []uint16{0x0102, 0x0304, 0x0506, 0x0708} {
		bytes = binary.NativeEndian.AppendUint16(bytes, field)
	}
	if diff := cmp.Diff(append(bytes, 0xaa), []byte(f)); diff != "" {
		t.Errorf("bytes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, f.Header()); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

func TestCloneIsIndependent(t *testing.T) {
	f := plain(typeIPv4, 40)
	c := f.Clone()
	if diff := cmp.Diff(f, c); diff != "" {
		t.Fatalf("clone differs (-want +got):\n%s", diff)
	}
	f[20]++
	if c[20] == f[20] {
		t.Error("a change of the frame is seen in its clone")
	}
}

// TestMaxLen holds what MaxLen must have room for.
func TestMaxLen(t *testing.T) {
	if want := 10 + 14 + 2*4 + 65536; frame.UsualLen != want {
		t.Errorf("UsualLen is %d, want %d", frame.UsualLen, want)
	}
	if want := 10 + 14 + 2*4 + 512*1024; frame.MaxLen != want { // GRO_MAX_SIZE is 8 bytes less
		t.Errorf("MaxLen is %d, want %d", frame.MaxLen, want)
	}
	// The loopback interface has an MTU of 64 KiB.
	if _, err := frame.Inspect(plain(typeIPv4, 65536)); err != nil {
		t.Errorf("largest loopback packet: %v", err)
	}
}
