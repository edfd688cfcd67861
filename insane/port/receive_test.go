package port

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// doubleTagged puts an 802.1ad tag around an 802.1Q tag.
func doubleTagged(f frame.Frame, outer, inner byte) frame.Frame {
	const split = frame.HeaderLen + 12
	return append(append(f[:split:split], 0x88, 0xa8, 0, outer, 0x81, 0, 0, inner), f[split:]...)
}

// Read returns a VLAN tag, which the kernel keeps beside the bytes, inside the frame.
func TestReceiveTags(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near := openSlave(t, l, "near", acceptAll)
	far := openSlave(t, l, "far", acceptNone)
	mac := linkOf(t, l, "near").MAC
	plain := func(n int) frame.Frame { return packet(mac, n, 0x88b5, []byte("some payload of some length")) }
	priority := tagged(plain(2), 0)
	priority[frame.HeaderLen+14] = 0xe0
	sent := []frame.Frame{
		plain(0), tagged(plain(1), 7), priority, doubleTagged(plain(3), 9, 7), doubleTagged(plain(4), 0, 0),
		plain(5), // has no tag, although the frame before had one
		tagged(packet(mac, 6, 0x88b5, []byte{1, 2}), 7),
		tagged(packet(mac, 7, 0x88b5, bytes.Repeat([]byte{1}, 1496)), 7),
	}
	send(t, far, sent...)
	got := readUntil(t, near, len(sent)-1)
	if len(got) != len(sent) {
		t.Fatalf("%d frames, want %d", len(got), len(sent))
	}
	for i := range sent {
		if !bytes.Equal(got[i], sent[i]) {
			t.Errorf("frame %d is\n% x, was\n% x", i, got[i], sent[i])
		}
	}
}

// A tagged super-frame has its tag, and the offsets in its virtio header count the tag.
func TestReceiveTaggedSuperFrame(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near := openSlave(t, l, "near", acceptAll)
	far := openSlave(t, l, "far", acceptNone)
	f := tagged(superTCP(linkOf(t, l, "near").MAC, 1, 20, 1400), 7)
	h := f.Header()
	h.CsumStart, h.HdrLen = h.CsumStart+frame.TagLen, h.HdrLen+frame.TagLen
	f.SetHeader(h)
	send(t, far, f)
	got := readUntil(t, near, 1)
	last := got[len(got)-1]
	if layout, err := frame.Inspect(last); len(got) != 1 || err != nil || layout.Packets() != 20 {
		t.Fatalf("%d frames, of %d packets (%v); want one of 20", len(got), layout.Packets(), err)
	}
	if !bytes.Equal(last[frame.HeaderLen:], f[frame.HeaderLen:]) || last.Header().CsumStart != h.CsumStart {
		t.Errorf("%+v % x, want %+v % x", last.Header(), last[:70], h, f[:70])
	}
}

// A super-frame whose checksums were verified gets a partial checksum, which the relay
// needs. The frame comes from a socket of another kind here, because not every link can
// make the kernel verify checksums.
func TestReceiveVerified(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	f := superTCP(macBroadcast, 1, 3, 1000)
	h := f.Header()
	h.Flags, h.CsumStart, h.CsumOffset = frame.DataValid, 0, 0
	f.SetHeader(h)
	_, err = unix.Write(pair[0], f)
	must(t, err)
	var r receiver
	buf := make([]byte, frame.MaxLen)
	from, to, err := r.readFrame(pair[1], buf)
	must(t, err)
	got := frame.Frame(buf[from:to])
	if h := got.Header(); h.Flags != frame.NeedsCsum || h.CsumStart != 34 || h.CsumOffset != 16 {
		t.Errorf("header %+v, want a partial checksum at 34 + 16", h)
	}
	if layout, err := frame.Inspect(got); err != nil || layout.Packets() != 3 {
		t.Errorf("%d packets (%v), want 3", layout.Packets(), err)
	}
}

// newProgram loads a socket filter that returns keep for every frame: the number of bytes
// that it accepts.
func newProgram(t *testing.T, keep int32) Filter {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SocketFilter, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, keep), asm.Return()}})
	must(t, err)
	t.Cleanup(func() { p.Close() })
	return Program(p.FD())
}

// An eBPF program is a filter like any other, and stays after its descriptor is closed.
func TestProgramFilter(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	far := openSlave(t, l, "far", acceptNone)
	near := openSlave(t, l, "near", newProgram(t, 0))
	send(t, far, reply(1))
	must(t, near.SetFilter(newProgram(t, -1)))
	send(t, far, packet(macBroadcast, 2, 0x88b5, make([]byte, 1500)))
	got := readUntil(t, near, 2)
	if len(got) != 1 || len(got[0]) != frame.HeaderLen+1514 {
		t.Errorf("%v, of %d bytes; want the whole of 2 alone", numbers(got), len(got[0]))
	}
	if err := near.SetFilter(Program(-1)); err == nil {
		t.Error("a filter that is no descriptor was taken")
	}
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(socket)
	if err := near.SetFilter(Program(socket)); err == nil {
		t.Error("a filter that is a socket was taken")
	}
	send(t, far, reply(3))
	if got := numbers(readUntil(t, near, 3)); len(got) != 1 {
		t.Errorf("%v after a filter that was refused, want 3", got)
	}
	must(t, near.Close())
	if err := near.SetFilter(acceptAll); err == nil {
		t.Error("a closed socket took a filter")
	}
}

// While filters are replaced under traffic, every frame passes exactly one of them: one
// filter accepts it whole, the other accepts its first bytes. No frame is lost and none
// comes twice.
func TestSetFilterUnderTraffic(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	const short = 60
	near := openSlave(t, l, "near", acceptAll)
	far := openSlave(t, l, "far", acceptNone)
	acceptShort := Filter{classic: []bpf.Instruction{bpf.RetConstant{Val: short}}}
	filters := []Filter{acceptAll, newProgram(t, short), newProgram(t, -1), acceptShort}
	var group sync.WaitGroup
	stop := make(chan struct{})
	exchanges := 0
	group.Go(func() {
		for ; ; exchanges++ {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Microsecond):
			}
			if err := near.SetFilter(filters[exchanges%len(filters)]); err != nil {
				t.Error(err)
				return
			}
		}
	})
	const batches, batch = 200, 100
	lengths := make(map[int]int)
	for range batches {
		for n := range batch {
			send(t, far, packet(macBroadcast, n, 0x88b5, make([]byte, 100)))
		}
		got := readUntil(t, near, batch-1)
		for i, n := range numbers(got) {
			if n != i {
				t.Fatalf("frame %d came where %d should: %v", n, i, numbers(got))
			}
			lengths[len(got[i])-frame.HeaderLen]++
		}
		if len(got) != batch {
			t.Fatalf("%d frames of %d", len(got), batch)
		}
	}
	close(stop)
	group.Wait()
	if lengths[short]+lengths[114] != batches*batch || lengths[short] == 0 || lengths[114] == 0 || exchanges < 20 {
		t.Errorf("lengths %v after %d exchanges, want %d and %d of both filters", lengths, exchanges, short, 114)
	}
}

// promiscuity returns the number of users that want frames for all MAC addresses.
func promiscuity(t *testing.T, l *namespace, name string) int {
	t.Helper()
	return handleOf(t, l, name).Attrs().Promisc
}

// A socket counts once, however often SetPromiscuous is called, and no more after Close.
func TestSetPromiscuous(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near := openSlave(t, l, "near", acceptNone)
	for i, on := range []bool{false, true, true, false, false, true} {
		must(t, near.SetPromiscuous(on))
		want := 0
		if on {
			want = 1
		}
		if got := promiscuity(t, l, "near"); got != want {
			t.Errorf("step %d: promiscuity %d, want %d", i, got, want)
		}
		if link := linkOf(t, l, "near"); link.Promiscuity != want {
			t.Errorf("step %d: the link says %d", i, link.Promiscuity)
		}
	}
	other := openSlave(t, l, "near", acceptNone)
	must(t, other.SetPromiscuous(true))
	if got := promiscuity(t, l, "near"); got != 2 {
		t.Errorf("promiscuity %d with two sockets", got)
	}
	must(t, near.Close())
	must(t, other.SetPromiscuous(false))
	if got := promiscuity(t, l, "near"); got != 0 {
		t.Errorf("promiscuity %d in the end", got)
	}
	if err := near.SetPromiscuous(false); err == nil {
		t.Error("a closed socket has wishes")
	}
}

// For a frame that the kernel cannot return with a virtio header an empty one is read, and
// the socket works on. The test reads with a buffer that is too short for the header: the
// kernel refuses this in the same function and with the same error
// (net/packet/af_packet.c, packet_rcv_vnet).
func TestReceiveUnreadable(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near := openSlave(t, l, "near", acceptAll)
	far := openSlave(t, l, "far", acceptNone)
	send(t, far, reply(1), reply(2))
	await(t, "a frame to be lost", func() (lost bool) {
		near.receiver.raw.Control(func(fd uintptr) {
			from, to, err := near.readFrame(int(fd), make([]byte, frame.TagLen+frame.HeaderLen-1))
			if lost = err == nil; !lost && err != unix.EAGAIN || from != to {
				t.Fatalf("bytes %d to %d, %v; want none", from, to, err)
			}
		})
		return lost
	})
	if got := numbers(readUntil(t, near, 2)); len(got) != 1 {
		t.Errorf("read %v, want 2 alone", got)
	}
	if got := near.Overruns(); got != 0 {
		t.Errorf("%d overruns of a buffer with room", got)
	}
}
