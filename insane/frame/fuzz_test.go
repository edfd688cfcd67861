package frame_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// seeds are the super-frames, made short: a mutation of a header is worth more
// than one of payload.
func seeds() map[string]super {
	all := supers()
	for name, s := range all {
		s.gso = min(s.gso, 90)
		s.payload = min(s.payload, 4*s.gso+s.gso/2)
		all[name] = s
	}
	return all
}

// FuzzInspect holds that nothing makes the parser panic and that a layout never
// contradicts its frame.
func FuzzInspect(f *testing.F) {
	f.Add([]byte(plain(0x0806, 28)))
	f.Add([]byte(plain(typeTag, 3)))
	for _, s := range seeds() {
		f.Add([]byte(s.build()))
	}
	for _, u := range tunnelKinds() {
		f.Add([]byte(u.wrapFrame(seeds()["tcp4"].build())))
		f.Add([]byte(u.wrapFrame(seeds()["udp6"].build())))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		l, err := frame.Inspect(in)
		if err != nil {
			if !errors.Is(err, frame.ErrMalformed) && !errors.Is(err, frame.ErrUnsupported) {
				t.Fatalf("%v is neither ErrMalformed nor ErrUnsupported", err)
			}
			return
		}
		checkSums(t, in, l)
	})
}

// checkSums checks Packets, Bytes and MTU of an accepted frame against each other.
func checkSums(t *testing.T, f frame.Frame, l frame.Layout) {
	t.Helper()
	n, length := l.Packets(), len(f)-frame.HeaderLen
	if n < 1 || n > frame.MaxLen {
		t.Fatalf("%d packets in %d bytes", n, length)
	}
	if n == 1 && l.Bytes(0, 1) != uint64(length) {
		t.Errorf("the only packet has %d bytes of %d", l.Bytes(0, 1), length)
	}
	var sum uint64
	for i := range n {
		one := l.Bytes(i, i+1)
		if one < 14 || one > uint64(length) || one > l.Bytes(0, 1) {
			t.Fatalf("packet %d of %d has %d bytes, the first %d, the frame %d", i, n, one, l.Bytes(0, 1), length)
		}
		sum += one
	}
	if got := l.Bytes(0, n); got != sum || got < uint64(length) {
		t.Errorf("%d bytes in all, %d one by one, %d in the frame", got, sum, length)
	}
	if link := int(l.Bytes(0, 1)) - l.MTU(); link != 14 && link != 18 && link != 22 {
		t.Errorf("MTU is %d below the largest packet", link)
	}
}

// FuzzSplit holds that whatever super-frame Inspect accepts, every survivor is
// the packet that the oracle cuts out of the whole. The checksums are made
// right first, as the oracle computes them from nothing; the rest is free.
func FuzzSplit(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s.build()), []byte{0b0101_1011})
		f.Add([]byte(s.build()), []byte{0b1110_1110})
	}
	f.Fuzz(func(t *testing.T, in, verdicts []byte) {
		l, err := frame.Inspect(in)
		if err != nil || in[1] == frame.GSONone || len(verdicts) == 0 || l.Packets() > 512 || !l.Whole() {
			return // TestCrafted does what the oracle does not know
		}
		whole := frame.Frame(in).Clone() // the fuzzer owns in
		repair(whole)
		relay := make([]bool, l.Packets())
		for i := range relay {
			relay[i] = verdicts[i/8%len(verdicts)]>>(i%8)&1 != 0
		}
		checkSplit(t, whole, relay)
	})
}

// FuzzReceive holds that nothing a packet socket could hand out makes InsertTag
// or MakePartial panic, that a tag put back changes nothing but the link header,
// and that MakePartial either makes the sum that the oracle makes, of a frame
// that Inspect accepts, or changes nothing.
func FuzzReceive(f *testing.F) {
	f.Add([]byte(plain(0x0806, 28)), uint16(typeTag), uint16(0xe064))
	for _, s := range seeds() {
		f.Add([]byte(s.build()), uint16(typeTag), uint16(7))
		f.Add([]byte(verified(f, s.build())), uint16(typeSTag), uint16(0))
	}
	f.Fuzz(func(t *testing.T, in []byte, tpid, tci uint16) {
		if len(in) > frame.MaxLen-frame.TagLen {
			return
		}
		buf := append(make([]byte, frame.TagLen), in...)
		checkTag(t, in, frame.InsertTag(buf, tpid, tci), tpid, tci)
		checkPartial(t, in)
	})
}

// checkTag compares a frame before and after InsertTag.
func checkTag(t *testing.T, in, out frame.Frame, tpid, tci uint16) {
	t.Helper()
	const addresses = frame.HeaderLen + 12
	if len(in) < addresses {
		if !bytes.Equal(in, out) {
			t.Fatalf("% x became % x", in, out)
		}
		return
	}
	tag := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, tpid), tci)
	want := slices.Concat(in[frame.HeaderLen:addresses], tag, in[addresses:])
	if !bytes.Equal(want, out[frame.HeaderLen:]) {
		t.Fatalf("with tag % x: % x became % x", tag, in, out)
	}
	before, err := frame.Inspect(in)
	after, errAfter := frame.Inspect(out)
	n := before.Packets()
	switch {
	case err != nil || tpid != typeTag && tpid != typeSTag:
	case errors.Is(errAfter, frame.ErrHeaders): // they were as long as they may be
	case int(before.Bytes(0, 1))-before.MTU() == 22: // nothing looks behind two tags
	case errAfter != nil || after.Packets() != n || after.MTU() != before.MTU() ||
		after.Bytes(0, n) != before.Bytes(0, n)+uint64(n*frame.TagLen):
		t.Fatalf("%+v became %+v, %v", before, after, errAfter)
	}
}

// checkPartial checks what MakePartial does to a frame.
func checkPartial(t *testing.T, in frame.Frame) {
	t.Helper()
	out := in.Clone()
	frame.MakePartial(out)
	if bytes.Equal(in, out) {
		return
	}
	l, err := frame.Inspect(out)
	if err != nil {
		t.Fatalf("changed, and then %v", err)
	}
	checkSums(t, out, l)
	if !l.Whole() {
		return
	}
	right := out.Clone()
	repair(right)
	check := frame.HeaderLen + dissect(out).check
	want, got := binary.BigEndian.Uint16(right[check:]), binary.BigEndian.Uint16(out[check:])
	if want%0xffff != got%0xffff {
		t.Errorf("partial checksum is %#04x, want %#04x", got, want)
	}
	copy(out[check:], in[check:check+2])
	if !bytes.Equal(in[frame.HeaderLen:], out[frame.HeaderLen:]) {
		t.Error("more than the checksum was changed")
	}
}

// FuzzFlip holds that nothing makes Flip or MarkCE panic, that Flip flips the bits that it is told
// and nothing else but a checksum, and that MarkCE changes no more than a mark and a checksum.
func FuzzFlip(f *testing.F) {
	f.Add([]byte(plain(typeIPv4, 100)), uint64(77))
	for _, s := range seeds() {
		whole := s.build()
		whole[1] = frame.GSONone
		f.Add([]byte(whole), uint64(500))
	}
	f.Fuzz(func(t *testing.T, in []byte, bit uint64) {
		n := frame.Bits(in)
		if n == 0 || len(in) > frame.MaxLen {
			return
		}
		once, twice := frame.Frame(in).Clone(), frame.Frame(in).Clone()
		frame.Flip(once, []uint64{bit % n})
		frame.Flip(twice, []uint64{bit % n, bit % n})
		link := len(in) - int(n/8)
		once[link+int(bit%n/8)] ^= 0x80 >> (bit % n % 8)
		if !bytes.Equal(once, twice) {
			t.Fatalf("% x became % x, and % x when flipped twice", in, once, twice)
		}
		if d := differ(in[frame.HeaderLen:], once[frame.HeaderLen:]); d > 2 {
			t.Fatalf("%d bytes beside the bit were changed", d)
		}
		marked := frame.Frame(in).Clone()
		capable := frame.Capable(marked)
		if got := frame.MarkCE(marked); got != capable || frame.Capable(marked) != capable {
			t.Fatalf("marked: %v, capable: %v", got, capable)
		}
		if d := differ(in, marked); d > 3 || d > 0 && !capable {
			t.Fatalf("MarkCE has changed %d bytes", d)
		}
	})
}

// differ counts the bytes that differ.
func differ(a, b []byte) (n int) {
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}
