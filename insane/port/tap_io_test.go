package port

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"testing"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// connectedTAP is a TAP that the host can send through: up, with carrier, an
// address, and a neighbour 10.9.0.2 that need not be asked for. IPv6 is off on
// it, so that nothing is sent but what the test sends.
func connectedTAP(t testing.TB, l *Links) *TAP {
	t.Helper()
	tap := openTAP(t, l, "insane")
	sysctl(t, "net/ipv6/conf/insane/disable_ipv6", "1")
	must(t, tap.SetCarrier(true))
	must(t, tap.SetUp())
	must(t, tap.AddAddress(netip.MustParsePrefix("10.9.0.1/24")))
	must(t, l.h.NeighAdd(&netlink.Neigh{LinkIndex: tap.Index(), State: netlink.NUD_PERMANENT,
		IP: []byte{10, 9, 0, 2}, HardwareAddr: from(2)}))
	return tap
}

// connected is a socket of the host towards the neighbour.
func connected(t testing.TB, kind int, prepare func(fd int) error) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	if prepare != nil {
		must(t, prepare(fd))
	}
	must(t, unix.Connect(fd, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{10, 9, 0, 2}}))
	return fd
}

// The offloads are really on: what the host sends at once crosses at once.
func TestTAPSuperFrameUDP(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	fd := connected(t, unix.SOCK_DGRAM, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 1000)
	})
	payload := bytes.Repeat([]byte("insane"), 4000)
	_, err := unix.Write(fd, payload)
	must(t, err)
	frames := readOne(t, tap)
	if len(frames) != 1 {
		t.Fatalf("%d frames, want one super-frame", len(frames))
	}
	shape, err := frame.Inspect(frames[0])
	if err != nil || shape.Packets() != 24 || frames[0].Header().GSOType != frame.GSOUDPL4 {
		t.Errorf("%d packets, header %+v, %v; want 24 of UDP", shape.Packets(), frames[0].Header(), err)
	}
	if !bytes.HasSuffix(frames[0], payload) {
		t.Error("the payload is not what was sent")
	}
}

func TestTAPSuperFrameTCP(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	// In repair mode a connection is there as soon as it is asked for,
	// without an answer from anybody (net/ipv4/tcp_output.c, tcp_connect).
	fd := connected(t, unix.SOCK_STREAM, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR, 1)
	})
	window := []uint32{0, 1 << 20, 1 << 20, 1 << 20, 0} // struct tcp_repair_window: a peer that takes 1 MiB
	must(t, unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR_WINDOW,
		string(unsafe.Slice((*byte)(unsafe.Pointer(&window[0])), 20))))
	const leaveWithoutProbe = -1
	must(t, unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR, leaveWithoutProbe))
	_, err := unix.Write(fd, bytes.Repeat([]byte("insane"), 4000))
	must(t, err)
	first := readOne(t, tap)[0]
	shape, err := frame.Inspect(first)
	if err != nil || shape.Packets() < 2 || first.Header().GSOType != frame.GSOTCPv4 {
		t.Errorf("%d packets, header %+v, %v; want several of TCP", shape.Packets(), first.Header(), err)
	}
}

// A batch ends at its cap, and what does not fit is there at the next Read.
func TestTAPBatch(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	fd := connected(t, unix.SOCK_DGRAM, nil)
	must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 8<<20))
	for _, c := range []struct {
		size, segment int // bytes
		batches       []int
	}{
		{4, 0, []int{batchFrames, batchFrames, 2}},
		{64000, 1000, []int{4, 4, 2}},
	} {
		must(t, unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, c.segment))
		payload := make([]byte, c.size)
		total := 0
		for _, n := range c.batches {
			total += n
		}
		for i := range total {
			binary.BigEndian.PutUint32(payload[len(payload)-4:], uint32(i))
			_, err := unix.Write(fd, payload)
			must(t, err)
		}
		i := uint32(0)
		for _, want := range c.batches {
			frames := readOne(t, tap)
			if len(frames) != want {
				t.Errorf("a batch of %d frames of %d bytes, want %d", len(frames), c.size, want)
			}
			for _, f := range frames {
				if got := binary.BigEndian.Uint32(f[len(f)-4:]); got != i {
					t.Fatalf("frame %d came where %d should", got, i)
				}
				i++
			}
		}
	}
}

// What is written arrives at the host as if it came from the wire.
func TestTAPWrite(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	host := openSlave(t, l, "insane", acceptAll)
	want := []frame.Frame{reply(1), superUDP(linkOf(t, l, "insane").MAC, 2, 7, 1300), reply(3)}
	send(t, tap, want...)
	got := readUntil(t, host, 3)
	if len(got) != len(want) {
		t.Fatalf("%d frames, want %d", len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i][frame.HeaderLen:], want[i][frame.HeaderLen:]) {
			t.Errorf("frame %d is not what was written", i)
		}
	}
	if shape, err := frame.Inspect(got[1]); err != nil || shape.Packets() != 7 {
		t.Errorf("%d packets in the super-frame, want 7 (%v)", shape.Packets(), err)
	}
}

// Write goes as far as the kernel does and says why it does not go on.
func TestTAPWriteRefused(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	bad := reply(2)
	bad.SetHeader(frame.Header{GSOType: 0x7f, GSOSize: 1})
	if n, err := tap.Write([]frame.Frame{reply(1), bad, reply(3)}); n != 1 || !errors.Is(err, ErrInvalid) {
		t.Errorf("%d frames written, %v; want 1 and %v", n, err, ErrInvalid)
	}
	must(t, l.h.LinkSetDown(tap.link))
	if n, err := tap.Write([]frame.Frame{reply(1)}); n != 0 || !errors.Is(err, ErrDown) {
		t.Errorf("down: %d frames written, %v; want none and %v", n, err, ErrDown)
	}
	must(t, tap.SetUp())
	send(t, tap, reply(1))
}

func TestTAPCloseWakesRead(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	ended := make(chan error)
	go func() {
		_, err := tap.Read()
		ended <- err
	}()
	must(t, tap.Close())
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read: %v, want %v", err, os.ErrClosed)
	}
	if _, err := tap.Read(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a later Read: %v, want %v", err, os.ErrClosed)
	}
	if _, err := tap.Write([]frame.Frame{reply(1)}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write: %v, want %v", err, os.ErrClosed)
	}
}

// `ip link del insane` takes the interface from under the descriptor. Whoever
// waits hears of it, by name, and so does whoever comes later.
func TestTAPDeleted(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	ended := make(chan error)
	go func() {
		_, err := tap.Read()
		ended <- err
	}()
	must(t, l.h.LinkDel(tap.link))
	if err := <-ended; !errors.Is(err, ErrGone) {
		t.Errorf("the waiting Read: %v, want %v", err, ErrGone)
	}
	for range 3 {
		if _, err := tap.Read(); !errors.Is(err, ErrGone) {
			t.Errorf("a later Read: %v, want %v", err, ErrGone)
		}
		if _, err := tap.Write([]frame.Frame{reply(1)}); !errors.Is(err, ErrGone) {
			t.Errorf("Write: %v, want %v", err, ErrGone)
		}
	}
	if err := tap.SetCarrier(true); err == nil {
		t.Error("an interface that is gone got carrier")
	}
	must(t, tap.Close())
}
