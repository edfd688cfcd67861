package frame_test

import (
	"bytes"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// withECN is a super-frame of this family with two tags and a codepoint.
func withECN(family int, codepoint byte) (frame.Frame, int) {
	f := super{family: family, protocol: tcp, tags: []uint16{typeSTag, typeTag}, payload: 3000, gso: 1000, id: 0x1234}.build()
	at := frame.HeaderLen + 14 + 8 + 1
	if family == 4 {
		f[at] = f[at]&^3 | codepoint
		repair(f)
	} else {
		f[at] = f[at]&^0x30 | codepoint<<4
	}
	return f, at
}

// MarkCE changes the two bits of capable packets, and keeps all checksums right.
func TestMarkCE(t *testing.T) {
	for _, family := range []int{4, 6} {
		for codepoint := range byte(4) {
			f, at := withECN(family, codepoint)
			before := f.Clone()
			if got, want := frame.Capable(f), codepoint != 0; got != want {
				t.Errorf("IPv%d with %02b is capable: %v", family, codepoint, got)
			}
			if got, want := frame.MarkCE(f), codepoint != 0; got != want {
				t.Errorf("IPv%d with %02b was marked: %v", family, codepoint, got)
			}
			if codepoint == 0 {
				if !bytes.Equal(f, before) {
					t.Errorf("IPv%d: a packet that is not capable was changed", family)
				}
				continue
			}
			mark := []byte{4: 0x03, 6: 0x30}[family]
			if f[at]&mark != mark || f[at]|mark != before[at]|mark {
				t.Errorf("IPv%d with %02b: byte %#02x became %#02x", family, codepoint, before[at], f[at])
			}
			packetsOf(t, f) // checks the checksums
			f[at] = before[at]
			if family == 4 {
				repair(f)
			}
			if !bytes.Equal(f, before) {
				t.Errorf("IPv%d with %02b: more than the mark was changed", family, codepoint)
			}
		}
	}
}

// The checksum stays right whatever it was, and a wrong one stays wrong.
func TestMarkCEEveryChecksum(t *testing.T) {
	f, at := withECN(4, 1)
	ip := f[at-1 : at-1+20]
	for id := range 1 << 16 {
		f[at], ip[4], ip[5] = f[at]&^3|1, byte(id>>8), byte(id)
		repair(f)
		frame.MarkCE(f)
		if wordSum(ip) != 0xffff {
			t.Fatalf("identification %#04x: wrong checksum in % x", id, ip)
		}
	}
	f[at] = f[at]&^3 | 1
	repair(f)
	ip[10] ^= 0x40
	frame.MarkCE(f)
	if wordSum(ip) == 0xffff {
		t.Error("a wrong checksum was repaired")
	}
}

// A frame that is no IP packet has no mark.
func TestMarkCENoIP(t *testing.T) {
	for n := range 60 {
		for _, kind := range []uint16{0x0806, typeIPv4, typeIPv6, typeTag} {
			f := plain(kind, n)
			for i := frame.HeaderLen + 14; i < len(f); i++ {
				f[i] = 0xff // of no IP version
			}
			before := f.Clone()
			if frame.Capable(f) || frame.MarkCE(f) || !bytes.Equal(f, before) {
				t.Errorf("%d bytes of type %#04x were marked", n, kind)
			}
		}
	}
	for n := range frame.HeaderLen + 14 {
		if frame.MarkCE(make(frame.Frame, n)) {
			t.Errorf("%d bytes were marked", n)
		}
	}
}
