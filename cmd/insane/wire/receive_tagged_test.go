package wire

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/policy"
)

// taggedTCP makes super-frames of TCP in a VLAN. Each packet's number is in its
// sequence number.
type taggedTCP struct {
	garbage
	v6 bool
}

// These are the sizes of its super-frames, and their VLAN tag.
const (
	taggedPerSuper = 16   // packets
	taggedSegment  = 1000 // bytes of payload
	taggedTCI      = 0x2005
)

// headers are those behind the tag of a frame of some packets, the first of which
// has the number.
func (m taggedTCP) headers(first, count int) (network, transport []byte) {
	transport = transportHeader(true, count*taggedSegment)
	binary.BigEndian.PutUint32(transport[4:], uint32(first*taggedSegment))
	return m.networkHeader(true, m.v6, len(transport)+count*taggedSegment), transport
}

// frame is a super-frame with its virtio header.
func (m taggedTCP) frame(first int) frame.Frame {
	network, transport := m.headers(first, taggedPerSuper)
	link := ether(m.mac, 0, 0x8100, taggedTCI, m.etherType())
	f := make(frame.Frame, frame.HeaderLen)
	header := frame.Header{
		Flags: frame.NeedsCsum, GSOType: frame.GSOTCPv4, GSOSize: taggedSegment,
		HdrLen:    uint16(len(link) + len(network) + len(transport)),
		CsumStart: uint16(len(link) + len(network)), CsumOffset: 16,
	}
	if m.v6 {
		header.GSOType = frame.GSOTCPv6
	}
	f.SetHeader(header)
	for _, part := range [][]byte{link, network, transport} {
		f = append(f, part...)
	}
	for i := range taggedPerSuper {
		f = append(f, payloadOf(first+i)...)
	}
	return f
}

func (m taggedTCP) etherType() uint16 {
	if m.v6 {
		return 0x86dd
	}
	return 0x0800
}

// payloadOf is what packet i carries.
func payloadOf(i int) []byte {
	start := i * 7 % (len(testbed.Noise) - taggedSegment)
	return testbed.Noise[start : start+taggedSegment]
}

// packetRun is a run of count relayed packets; next is the packet after the last one that
// was examined.
type packetRun struct{ first, count, next int }

// relayedRun finds the first run of packets in [from, to) that a program relays.
func relayedRun(program *policy.Program, from, to int) packetRun {
	relays := func(i int) bool { return i < to && !program.Decide(0, uint64(i)).Lost() }
	for from < to && !relays(from) {
		from++
	}
	end := from
	for relays(end) {
		end++
	}
	return packetRun{first: from, count: end - from, next: end}
}

// check fails unless a frame has the expected contents: tag, sequence number, payload. It
// returns how many packets of the run the frame has: all of them, unless a card has cut it.
func (m taggedTCP) check(t testing.TB, got []byte, run packetRun) int {
	t.Helper()
	network, transport := m.headers(run.first, run.count)
	link := ether(m.mac, 0, 0x8100, taggedTCI, m.etherType())
	body := len(link) + len(network) + len(transport)
	if n := (len(got) - body) / taggedSegment; labtest.Cards() && n > 0 && n < run.count {
		run.count = n
	}
	if len(got) != body+run.count*taggedSegment {
		t.Fatalf("%d packets from %d on: arrived as %d bytes, want %d", run.count, run.first, len(got), body+run.count*taggedSegment)
	}
	if !bytes.Equal(got[:len(link)], link) {
		t.Fatalf("packet %d: Ethernet header %x, want %x", run.first, got[:len(link)], link)
	}
	tcp := got[len(link)+len(network):]
	if seq := binary.BigEndian.Uint32(tcp[4:]); seq != uint32(run.first*taggedSegment) {
		t.Fatalf("packet %d: arrived with sequence number %d", run.first, seq)
	}
	for i := range run.count {
		if start := body + i*taggedSegment; !bytes.Equal(got[start:start+taggedSegment], payloadOf(run.first+i)) {
			t.Fatalf("packet %d: payload changed", run.first+i)
		}
	}
	return run.count
}
