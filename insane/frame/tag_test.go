package frame_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/seed-39a139a1/insane/insane/frame"
)

// untagged is a frame as a packet socket hands it out: a gap of TagLen bytes
// with something in it, and f without its outer tag.
func untagged(f frame.Frame) []byte {
	buf := append(bytes.Repeat([]byte{0xee}, frame.TagLen), f[:frame.HeaderLen+12]...)
	buf = append(buf, f[frame.HeaderLen+12+frame.TagLen:]...)
	inner := frame.Frame(buf[frame.TagLen:])
	h := inner.Header()
	if h.Flags&frame.NeedsCsum != 0 {
		h.CsumStart -= frame.TagLen
	}
	if h.HdrLen != 0 {
		h.HdrLen -= frame.TagLen
	}
	inner.SetHeader(h)
	return buf
}

func TestInsertTag(t *testing.T) {
	tests := map[string]frame.Frame{
		"plain":       append(plain(typeTag, 0), 0xb0, 0x07, 0x08, 0x00, 1, 2, 3),
		"no contents": append(plain(typeSTag, 0), 0x00, 0x07, 0x88, 0xb5),
		"inner tag":   append(plain(typeSTag, 0), 0xff, 0xff, 0x81, 0x00, 0, 1, 8, 0),
		"largest":     append(append(plain(typeSTag, 0), 0, 1, 0x81, 0x00, 0, 2, 8, 0), make([]byte, 64<<10)...),
	}
	for name, s := range supers() {
		if s.tags != nil {
			tests[name] = s.build()
		}
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			tag := want[frame.HeaderLen+12:]
			tpid, tci := binary.BigEndian.Uint16(tag), binary.BigEndian.Uint16(tag[2:])
			buf := untagged(want)
			got := frame.InsertTag(buf, tpid, tci)
			if !bytes.Equal(want, got) {
				n := min(64, len(want), len(got))
				t.Fatalf("%d bytes, want %d (-want +got):\n%s", len(got), len(want), cmp.Diff(want[:n], got[:n]))
			}
			if &got[0] != &buf[0] {
				t.Error("the frame was copied")
			}
			if _, err := frame.Inspect(got); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestInsertTagHeader holds which numbers of the virtio header move, by hand.
func TestInsertTagHeader(t *testing.T) {
	for _, test := range []struct{ before, after frame.Header }{
		{frame.Header{}, frame.Header{}},
		{frame.Header{Flags: frame.DataValid}, frame.Header{Flags: frame.DataValid}},
		{
			frame.Header{Flags: frame.NeedsCsum, CsumStart: 34, CsumOffset: 16},
			frame.Header{Flags: frame.NeedsCsum, CsumStart: 38, CsumOffset: 16},
		},
		{
			frame.Header{Flags: frame.DataValid, GSOType: frame.GSOTCPv4, HdrLen: 1514, GSOSize: 1448, CsumStart: 7},
			frame.Header{Flags: frame.DataValid, GSOType: frame.GSOTCPv4, HdrLen: 1518, GSOSize: 1448, CsumStart: 7},
		},
	} {
		buf := append(make([]byte, frame.TagLen), plain(typeIPv4, 100)...)
		frame.Frame(buf[frame.TagLen:]).SetHeader(test.before)
		if diff := cmp.Diff(test.after, frame.InsertTag(buf, typeTag, 1).Header()); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", test.before, diff)
		}
	}
}

// TestInsertTagShort holds that what has no addresses comes back without tag.
func TestInsertTagShort(t *testing.T) {
	whole := append(bytes.Repeat([]byte{0xee}, frame.TagLen), plain(typeIPv4, 0)...)
	const enough = frame.TagLen + frame.HeaderLen + 12
	for n := range len(whole) + 1 {
		buf := bytes.Clone(whole[:n])
		got := frame.InsertTag(buf, typeTag, 1)
		switch {
		case n >= enough && len(got) != n:
			t.Errorf("%d of %d bytes came back", len(got), n)
		case n < enough && !bytes.Equal(got, whole[min(n, frame.TagLen):n]):
			t.Errorf("%d bytes came back as % x", n, got)
		}
	}
}
