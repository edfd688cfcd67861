//go:build !fuzz

package frame_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/seed-39a139a1/insane/insane/frame"
)

// arrival is a frame that has come through the kernel.
type arrival struct {
	socket frame.Header // as the packet socket told it
	frame  frame.Frame  // as Inspect gets to see it
}

// arrivals sends f into the near end and receives at the far end as a receiver must. It
// returns when all packets of f have arrived. Their order may have changed: GRO holds
// packets that it merges longer than others.
func (v *veth) arrivals(t *testing.T, f frame.Frame) (all []arrival) {
	t.Helper()
	v.send(t, f)
	for ended, left := false, len(packetsOf(t, f)); !ended || left > 0; {
		buf := make([]byte, frame.MaxLen)
		n, tag := v.receive(t, buf[frame.TagLen:])
		buf = buf[:frame.TagLen+n]
		a := arrival{frame: buf[frame.TagLen:]}
		a.socket = a.frame.Header()
		if tag != nil {
			a.frame = frame.InsertTag(buf, binary.BigEndian.Uint16(tag), binary.BigEndian.Uint16(tag[2:]))
		}
		frame.MakePartial(a.frame)
		l, err := frame.Inspect(a.frame)
		if err != nil {
			t.Fatalf("arrival %d: %v: %+v", len(all), err, a.socket)
		}
		switch e := a.frame[frame.HeaderLen:]; {
		case bytes.Equal(e, endMark()[frame.HeaderLen:]):
			ended = true
		case bytes.Equal(e[6:12], macFrom): // else the kernel says hello
			all = append(all, a)
			left -= l.Packets()
		}
	}
	return all
}

// checkArrivals checks that what arrived are the packets of f.
func checkArrivals(t *testing.T, f frame.Frame, all []arrival) {
	t.Helper()
	var got [][]byte
	for _, a := range all {
		got = append(got, packetsOf(t, a.frame)...)
	}
	want := packetsOf(t, f)
	slices.SortFunc(want, bytes.Compare)
	slices.SortFunc(got, bytes.Compare)
	comparePackets(t, want, got)
}

// checkWhole checks that f arrived in one piece with the same bytes, those of
// the virtio header included.
func checkWhole(t *testing.T, f frame.Frame, all []arrival) {
	t.Helper()
	if len(all) != 1 {
		t.Fatalf("%d frames arrived, want 1", len(all))
	}
	h := f.Header()
	if len(packetsOf(t, f)) == 1 { // to the kernel that is no super-frame
		h.GSOType, h.GSOSize, h.HdrLen = frame.GSONone, 0, 0
	}
	got := all[0].frame.Header()
	if h.HdrLen != 0 && int(got.HdrLen) == len(f)-frame.HeaderLen {
		h.HdrLen = got.HdrLen // the kernel has a short one in one piece
	}
	if diff := cmp.Diff(h, got); diff != "" {
		t.Errorf("virtio header (-want +got):\n%s", diff)
	}
	comparePackets(t, [][]byte{f[frame.HeaderLen:]}, [][]byte{all[0].frame[frame.HeaderLen:]})
}
