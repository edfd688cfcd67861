package frame_test

import (
	"errors"
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

// FuzzInspect holds that nothing makes the parser panic and that a shape never
// contradicts its frame.
func FuzzInspect(f *testing.F) {
	f.Add([]byte(plain(0x0806, 28)))
	f.Add([]byte(plain(typeTag, 3)))
	for _, s := range seeds() {
		f.Add([]byte(s.build()))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		sh, err := frame.Inspect(in)
		if err != nil {
			if !errors.Is(err, frame.ErrMalformed) {
				t.Fatalf("%v is not ErrMalformed", err)
			}
			return
		}
		checkSums(t, in, sh)
	})
}

// checkSums checks Packets, Bytes and MTU of an accepted frame against each other.
func checkSums(t *testing.T, f frame.Frame, sh frame.Shape) {
	t.Helper()
	n, length := sh.Packets(), len(f)-frame.HeaderLen
	if n < 1 || n > frame.MaxLen {
		t.Fatalf("%d packets in %d bytes", n, length)
	}
	if n == 1 && sh.Bytes(0, 1) != uint64(length) {
		t.Errorf("the only packet has %d bytes of %d", sh.Bytes(0, 1), length)
	}
	var sum uint64
	for i := range n {
		one := sh.Bytes(i, i+1)
		if one < 14 || one > uint64(length) || one > sh.Bytes(0, 1) {
			t.Fatalf("packet %d of %d has %d bytes, the first %d, the frame %d", i, n, one, sh.Bytes(0, 1), length)
		}
		sum += one
	}
	if got := sh.Bytes(0, n); got != sum || got < uint64(length) {
		t.Errorf("%d bytes in all, %d one by one, %d in the frame", got, sum, length)
	}
	if link := int(sh.Bytes(0, 1)) - sh.MTU(); link != 14 && link != 18 && link != 22 {
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
		sh, err := frame.Inspect(in)
		if err != nil || in[1] == frame.GSONone || len(verdicts) == 0 || sh.Packets() > 512 {
			return
		}
		whole := frame.Frame(in).Clone() // the fuzzer owns in
		repair(whole)
		relay := make([]bool, sh.Packets())
		for i := range relay {
			relay[i] = verdicts[i/8%len(verdicts)]>>(i%8)&1 != 0
		}
		checkSplit(t, whole, relay)
	})
}
