package port

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"slices"
	"testing"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// connectedTAP makes a TAP through which the host can send. It is up and has carrier, an
// address, and a permanent neighbour 10.9.0.2. IPv6 is off on it, so that only the test
// sends.
func connectedTAP(t testing.TB, l *namespace) device {
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

// connected opens a socket of the host and connects it to the neighbour.
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

// The UDP offload is on: a super-frame of the host crosses as one frame. A kernel that
// does not know UDP super-frames makes the packets itself, before the TAP.
func TestTAPSuperFrameUDP(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	fd := connected(t, unix.SOCK_DGRAM, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 1000)
	})
	payload := bytes.Repeat([]byte("insane"), 4000)
	wantFrames, wantPackets, wantType := 1, 24, uint8(frame.GSOUDPL4)
	if !knowsUDP(t, l) {
		wantFrames, wantPackets, wantType = 24, 1, frame.GSONone
	}
	_, err := unix.Write(fd, payload)
	must(t, err)
	frames := readOne(t, tap)
	if len(frames) != wantFrames {
		t.Fatalf("%d frames, want %d", len(frames), wantFrames)
	}
	var got []byte
	for i, f := range frames {
		layout, err := frame.Inspect(f)
		if err != nil || layout.Packets() != wantPackets || f.Header().GSOType != wantType {
			t.Errorf("frame %d: %d packets, header %+v, %v; want %d", i, layout.Packets(), f.Header(), err, wantPackets)
		}
		got = append(got, f[frame.HeaderLen+42:]...)
	}
	if !bytes.Equal(got, payload) {
		t.Error("the payload is not what was sent")
	}
}

// The TCP offload is on: a write of the host crosses as a super-frame.
func TestTAPSuperFrameTCP(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	// In repair mode a connection is established at once, without an answer
	// of the peer (net/ipv4/tcp_output.c, tcp_connect).
	fd := connected(t, unix.SOCK_STREAM, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR, 1)
	})
	window := []uint32{0, 1 << 20, 1 << 20, 1 << 20, 0} // struct tcp_repair_window: the peer accepts 1 MiB
	must(t, unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR_WINDOW,
		string(unsafe.Slice((*byte)(unsafe.Pointer(&window[0])), 20))))
	const leaveWithoutProbe = -1
	must(t, unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR, leaveWithoutProbe))
	_, err := unix.Write(fd, bytes.Repeat([]byte("insane"), 4000))
	must(t, err)
	first := readOne(t, tap)[0]
	layout, err := frame.Inspect(first)
	if err != nil || layout.Packets() < 2 || first.Header().GSOType != frame.GSOTCPv4 {
		t.Errorf("%d packets, header %+v, %v; want several of TCP", layout.Packets(), first.Header(), err)
	}
}

// A batch ends at its limit, and the frames that do not fit come with the next Read.
func TestTAPBatch(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	host := openSlave(t, l, "insane", acceptNone)
	for _, c := range []struct {
		frame   frame.Frame
		batches []int
	}{
		{reply(1), []int{batchFrames, batchFrames, 2}},
		{superTCP(macBroadcast, 1, 64, 1000), []int{4, 4, 2}},
	} {
		total := 0
		for _, n := range c.batches {
			total += n
		}
		for i := range total {
			binary.BigEndian.PutUint32(c.frame[len(c.frame)-4:], uint32(i))
			send(t, host, c.frame)
		}
		i := uint32(0)
		for _, want := range c.batches {
			frames := readOne(t, tap)
			if len(frames) != want {
				t.Errorf("a batch of %d frames of %d bytes, want %d", len(frames), len(c.frame), want)
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

// A frame that is written arrives at the host as from a cable. The kernel refuses
// super-frames of a kind that it does not know.
func TestTAPWrite(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	host := openSlave(t, l, "insane", acceptAll)
	for _, kind := range superKinds(t, l) {
		super := kind.make(linkOf(t, l, "insane").MAC, 2, 7, 1300)
		if !kind.taken {
			checkRefused(t, tap, super)
			if got := numbers(readUntil(t, host, 9)); !slices.Equal(got, []int{8, 9}) {
				t.Errorf("%s: %v arrived, want 8 and 9", kind.name, got)
			}
			continue
		}
		want := []frame.Frame{reply(1), super, reply(3)}
		send(t, tap, want...)
		got := readUntil(t, host, 3)
		if len(got) != len(want) {
			t.Fatalf("%s: %d frames, want %d", kind.name, len(got), len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i][frame.HeaderLen:], want[i][frame.HeaderLen:]) {
				t.Errorf("%s: frame %d is not what was written", kind.name, i)
			}
		}
		if layout, err := frame.Inspect(got[1]); err != nil || layout.Packets() != 7 {
			t.Errorf("%s: %d packets in the super-frame, want 7 (%v)", kind.name, layout.Packets(), err)
		}
	}
}

// Write stops at the first frame that the kernel refuses and returns why.
func TestTAPWriteRefused(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	bad := reply(2)
	bad.SetHeader(frame.Header{GSOType: 0x7f, GSOSize: 1})
	if n, err := tap.Write([]frame.Frame{reply(1), bad, reply(3)}); n != 1 || !errors.Is(err, ErrInvalid) {
		t.Errorf("%d frames written, %v; want 1 and %v", n, err, ErrInvalid)
	}
	must(t, l.h.LinkSetDown(handleOf(t, l, "insane")))
	if n, err := tap.Write([]frame.Frame{reply(1)}); n != 0 || !errors.Is(err, ErrDown) {
		t.Errorf("down: %d frames written, %v; want none and %v", n, err, ErrDown)
	}
	must(t, tap.SetUp())
	send(t, tap, reply(1))
}

// reads calls Read in another goroutine, and returns where its error comes.
func reads(p Port) (ended chan error) {
	ended = make(chan error)
	go func() {
		_, err := p.Read(0)
		ended <- err
	}()
	return ended
}

// Close wakes Read, and every later call returns os.ErrClosed.
func TestTAPCloseWakesRead(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	ended := reads(tap)
	must(t, tap.Close())
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read: %v, want %v", err, os.ErrClosed)
	}
	if _, err := tap.Read(0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a later Read: %v, want %v", err, os.ErrClosed)
	}
	if _, err := tap.Write([]frame.Frame{reply(1)}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write: %v, want %v", err, os.ErrClosed)
	}
}

// `ip link del insane` deletes the interface while the descriptor is open. A Read that
// waits returns ErrGone, and so does every later call.
func TestTAPDeleted(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	ended := reads(tap)
	must(t, l.h.LinkDel(handleOf(t, l, "insane")))
	if err := <-ended; !errors.Is(err, ErrGone) {
		t.Errorf("the waiting Read: %v, want %v", err, ErrGone)
	}
	for range 3 {
		if _, err := tap.Read(0); !errors.Is(err, ErrGone) {
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

// The kernel counts the frames that it cannot put into the queue of a TAP.
func TestTxDropped(t *testing.T) {
	l := newNamespace(t)
	tap := connectedTAP(t, l)
	host := openSlave(t, l, "insane", acceptNone)
	send(t, host, reply(1))
	readUntil(t, tap, 1)
	was := linkOf(t, l, "insane")
	before, queue := was.TxDropped, was.QueueLen
	for range 10 + queue {
		host.Write([]frame.Frame{reply(2)}) // a full queue may refuse, or not (drivers/net/tun.c, tun_net_xmit)
	}
	if n := linkOf(t, l, "insane").TxDropped - before; n < 10 || n > 10+uint64(queue) {
		t.Errorf("%d dropped of %d in a queue of %d", n, 10+queue, queue)
	}
}
