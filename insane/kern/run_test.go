package kern

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/policy"
)

// forever is longer than any test.
const forever = policy.Time(time.Hour)

// now is the clock of the watchdog.
func now() policy.Time {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return policy.Time(ts.Nano())
}

// owner is the owner of a frame. The values are those of owner.h.
type owner int

const (
	slave owner = iota
	both
	device
)

func (o owner) String() string { return []string{"slave", "both", "device"}[o] }

// towards is the kind of the link-layer destination of a frame.
type towards int

const (
	toHost  towards = iota // PACKET_HOST
	toAll                  // PACKET_BROADCAST
	toGroup                // PACKET_MULTICAST
	toOther                // PACKET_OTHERHOST
)

// destination returns an address that is of this kind for the link near.
func (to towards) destination(near []byte) []byte {
	switch to {
	case toHost:
		return near
	case toAll:
		return []byte{255, 255, 255, 255, 255, 255}
	case toGroup:
		return []byte{0x33, 0x33, 0, 0, 0, 1}
	}
	return []byte{2, 0x69, 0x6e, 0x73, 0xff, 0xff}
}

// Codes that the program at ingress returns.
const (
	actUnspec = 0xffffffff
	actShot   = 2
)

// bench runs the programs on frames without a wire (BPF_PROG_TEST_RUN). It needs
// the namespace of newNamespace: near is the link that the frames came in by.
type bench struct {
	*Objects
	t     testing.TB
	index int
	mac   []byte
}

func newBench(t testing.TB, claims Claims) *bench {
	t.Helper()
	near, _ := newNamespace(t)
	return &bench{Objects: openObjects(t, claims), t: t,
		index: near.Attrs().Index, mac: near.Attrs().HardwareAddr}
}

// auto returns the owner that receive_auto finds.
func (b *bench) auto(to towards, etherType uint16, body []byte) owner {
	b.t.Helper()
	return b.owner(b.bpf.ReceiveAuto, to, etherType, body)
}

// owner runs a socket filter and the program at ingress behind it, as the kernel
// does with a frame. The kernel takes the first Ethernet header off before it runs
// a socket filter, and decides by it what kind of frame this is (net/bpf/
// test_run.c, bpf_prog_test_run_skb); a filter on a raw packet socket sees it, so
// the frame has it twice.
func (b *bench) owner(filter *ebpf.Program, to towards, etherType uint16, body []byte) owner {
	b.t.Helper()
	header := binary.BigEndian.AppendUint16(append(append([]byte(nil), to.destination(b.mac)...),
		2, 0x69, 0x6e, 0x73, 0, 0), etherType)
	data := append(append(header[:14:14], header...), body...)
	kept, err := filter.Run(&ebpf.RunOptions{Data: data, Context: b.context()})
	must(b.t, err)
	switch verdict := b.steal(); {
	case kept == 0 && verdict == actUnspec:
		return slave
	case kept == 0xffffffff && verdict == actUnspec:
		return both
	case kept == 0xffffffff && verdict == actShot:
		return device
	default:
		b.t.Fatalf("%d bytes for the socket, verdict %d at ingress", int32(kept), int32(verdict))
	}
	return 0
}

// steal runs the program at ingress on some frame.
func (b *bench) steal() uint32 {
	b.t.Helper()
	verdict, err := b.bpf.ReceiveSteal.Run(&ebpf.RunOptions{Data: make([]byte, 60)})
	must(b.t, err)
	return verdict
}

// context is the beginning of struct __sk_buff, up to ifindex.
func (b *bench) context() []uint32 {
	context := make([]uint32, 11)
	context[10] = uint32(b.index)
	return context
}
