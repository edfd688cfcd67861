package port

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// A super-frame leaves as a super-frame if the NIC can segment. One of a kind that the
// kernel does not know is refused.
func TestSlaveSuperFrame(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near := openSlave(t, l, "near", acceptNone)
	far := openSlave(t, l, "far", acceptAll)
	for _, kind := range superKinds(t, l) {
		want := kind.make(linkOf(t, l, "far").MAC, 1, 44, 1472)
		if !kind.taken {
			checkRefused(t, near, want)
			if got := numbers(readUntil(t, far, 9)); !slices.Equal(got, []int{8, 9}) {
				t.Errorf("%s: %v arrived, want 8 and 9", kind.name, got)
			}
			continue
		}
		send(t, near, want)
		got := readUntil(t, far, 1)[0]
		if !bytes.Equal(got[frame.HeaderLen:], want[frame.HeaderLen:]) {
			t.Errorf("%s: bytes changed on the way", kind.name)
		}
		if layout, err := frame.Inspect(got); err != nil || layout.Packets() != 44 {
			t.Errorf("%s: %d packets, want 44 (%v)", kind.name, layout.Packets(), err)
		}
	}
}

// If the NIC cannot segment, the kernel makes as many packets as Inspect counts.
func TestSlaveSuperFrameSegmented(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	for _, feature := range []uint32{unix.ETHTOOL_SGSO, unix.ETHTOOL_SSG, unix.ETHTOOL_STXCSUM} {
		turnOff(t, "near", feature)
	}
	near := openSlave(t, l, "near", acceptNone)
	far := openSlave(t, l, "far", acceptAll)
	for _, kind := range superKinds(t, l) {
		f := kind.make(linkOf(t, l, "far").MAC, 1, 5, 1400)
		f = f[: len(f)-399 : len(f)-399] // shorter than its headers say: the kernel counts bytes
		if !kind.taken {
			checkRefused(t, near, f)
			readUntil(t, far, 9)
			continue
		}
		send(t, near, f, reply(2))
		got := readUntil(t, far, 2)
		if len(got) != 6 {
			t.Fatalf("%s: %d packets and the last one, want 5", kind.name, len(got)-1)
		}
		for i, p := range got[:5] {
			checkSegment(t, kind, p[frame.HeaderLen:], i)
		}
	}
}

// checkSegment fails unless p is packet i of five. The last packet is 399 bytes shorter.
func checkSegment(t *testing.T, kind superKind, p []byte, i int) {
	t.Helper()
	want := 1400
	if i == 4 {
		want = 1001
	}
	payload := p[kind.headerLen:]
	if len(payload) != want || payload[0] != byte(i) || payload[want-1] != byte(i) {
		t.Errorf("%s: packet %d has %d bytes of payload, want %d of packet %d", kind.name, i, len(payload), want, i)
	}
	if length := binary.BigEndian.Uint16(p[14+2:]); int(length) != len(p)-14 {
		t.Errorf("%s: packet %d says %d bytes of IP, has %d", kind.name, i, length, len(p)-14)
	}
	transport := p[14+20:]
	if kind.name == "TCP" {
		if first := binary.BigEndian.Uint32(transport[4:]); int(first) != 1400*i {
			t.Errorf("packet %d begins with byte %d of the stream, want %d", i, first, 1400*i)
		}
	} else if length := binary.BigEndian.Uint16(transport[4:]); int(length) != want+8 {
		t.Errorf("packet %d says %d bytes of UDP, has %d", i, length, want+8)
	}
}

// turnOff turns off a feature of a link (linux/ethtool.h, struct ethtool_value).
func turnOff(t *testing.T, name string, feature uint32) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	value := struct{ command, value uint32 }{command: feature}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // the rest of union ifr_ifru
	}{data: unsafe.Pointer(&value)}
	copy(request.name[:], name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		t.Fatalf("turn off feature %#x of %s: %v", feature, name, errno)
	}
}
