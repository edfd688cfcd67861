package frame_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// bigSuper makes a super-frame of more than 64 KiB, of which the length fields are 0 and an
// IPv6 packet may have the jumbo option, and the same without that option.
func bigSuper(s super, jumbo bool) (f, without frame.Frame) {
	f = s.build()
	e := f[frame.HeaderLen:]
	d := dissect(f)
	if s.family == 4 {
		binary.BigEndian.PutUint16(e[d.l3+2:], 0)
	} else {
		binary.BigEndian.PutUint16(e[d.l3+4:], 0)
	}
	if s.protocol == udp {
		binary.BigEndian.PutUint16(e[d.l4+4:], 0)
	}
	repair(f)
	if !jumbo {
		return f, f.Clone()
	}
	option := []byte{e[d.l3+6], 0, 0xc2, 4, 0, 0, 0, 0}
	at := frame.HeaderLen + d.l3 + 40
	j := frame.Frame(slices.Concat(f[:at], option, f[at:]))
	j[at-40+6] = 0
	binary.BigEndian.PutUint32(j[at+4:], uint32(len(j)-at))
	h := j.Header()
	h.CsumStart += 8
	j.SetHeader(h)
	return j, f
}

// Split cuts super-frames of more than 64 KiB into frames that every port carries, without
// the jumbo option, even if all packets stay.
func TestSplitBig(t *testing.T) {
	for name, test := range map[string]struct {
		super
		jumbo bool
	}{
		"tcp4":       {super{family: 4, protocol: tcp, options: timestamps(), payload: 8*65535 - 52, gso: 1448, flags: psh | cwr}, false},
		"tcp6":       {super{family: 6, protocol: tcp, payload: 66000, gso: 1428, flags: fin}, false},
		"tcp6 jumbo": {super{family: 6, protocol: tcp, payload: 8*65535 - 100, gso: 1428, flags: psh | cwr}, true},
		"tcp6 tag":   {super{family: 6, protocol: tcp, tags: []uint16{typeTag}, payload: 150_000, gso: 1400}, true},
		"tcp6 tiny":  {super{family: 6, protocol: tcp, payload: 70_000, gso: 11}, true},
		"tcp4 huge":  {super{family: 4, protocol: tcp, payload: 200_000, gso: 65000}, false},
		"udp4":       {super{family: 4, protocol: udp, payload: 100_000, gso: 1472}, false},
		"udp6 chain": {super{family: 6, protocol: udp, ipv6: []extension{padded(destinations, 1)}, payload: 100_000, gso: 1400}, true},
	} {
		t.Run(name, func(t *testing.T) {
			f, without := bigSuper(test.super, test.jumbo)
			l, err := frame.Inspect(f)
			if err != nil || l.Whole() {
				t.Fatalf("whole %v, %v", l.Whole(), err)
			}
			packets := packetsOf(t, without)
			for pattern := range 3 {
				relay := make([]bool, len(packets))
				for i := range relay {
					relay[i] = pattern == 0 || i%(40*pattern) != 0
				}
				checkBig(t, f, l, survivors(packets, relay), relay)
			}
		})
	}
}

// checkBig splits f and compares the packets.
func checkBig(t *testing.T, f frame.Frame, l frame.Layout, want [][]byte, relay []bool) {
	t.Helper()
	var s frame.Splitter
	var got [][]byte
	results := s.Split(f.Clone(), l, relay, nil)
	for i, r := range results {
		if _, err := frame.Inspect(r); err != nil || len(r) > frame.UsualLen {
			t.Fatalf("result %d has %d bytes: %v", i, len(r), err)
		}
		got = append(got, packetsOf(t, r)...)
	}
	comparePackets(t, want, got)
	sum, size := 0, 0
	for _, p := range want {
		sum += len(p)
		size = max(size, len(p))
	}
	if l.Packets() == len(want) && l.Bytes(0, l.Packets()) != uint64(sum) {
		t.Errorf("%d bytes, want %d", l.Bytes(0, l.Packets()), sum)
	}
	if most := 1 + sum/(len(got)*size)*len(got)/(65535/size); len(results) > most+10+len(relay)/40 {
		t.Errorf("%d results of %d packets", len(results), len(want))
	}
}
