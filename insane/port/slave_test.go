package port

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// A slave does not read the frames that the host sends through the same link, by this
// socket or by another one. Otherwise the device would relay them back and forth.
func TestSlaveHearsNoSending(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near := openSlave(t, l, "near", acceptAll)
	other := openSlave(t, l, "near", acceptNone)
	far := openSlave(t, l, "far", acceptAll)
	send(t, near, reply(1))
	send(t, other, reply(2))
	if got := numbers(readUntil(t, far, 2)); !slices.Equal(got, []int{1, 2}) {
		t.Fatalf("%v were sent, want 1 and 2", got)
	}
	send(t, far, reply(3))
	if got := numbers(readUntil(t, near, 3)); !slices.Equal(got, []int{3}) {
		t.Errorf("heard %v, want 3 alone", got)
	}
}

// Each way in which the kernel refuses a frame has its own error. The frames in front of
// the refused one are sent, and the frames behind it can be sent.
func TestSlaveWriteRefused(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near := openSlave(t, l, "near", acceptNone)
	far := openSlave(t, l, "far", acceptAll)
	noHeaderAtAll := frame.Frame{1, 2, 3}
	badOffset, badType := reply(0), superUDP(macBroadcast, 0, 2, 100)
	badOffset.SetHeader(frame.Header{Flags: frame.NeedsCsum, CsumStart: 9000})
	badType.SetHeader(frame.Header{Flags: frame.NeedsCsum, GSOType: 0x7f, GSOSize: 100})
	for _, c := range []struct {
		what  string
		frame frame.Frame
		want  error
	}{
		{"a frame of one byte more than the MTU", packet(macBroadcast, 0, 0x88b5, make([]byte, 1501)), ErrTooBig},
		{"a frame without virtio header", noHeaderAtAll, ErrInvalid},
		{"a checksum behind the frame", badOffset, ErrInvalid},
		{"an unknown GSO type", badType, ErrInvalid},
		{"a frame that ends in its Ethernet header", reply(0)[:frame.HeaderLen+13], ErrInvalid},
	} {
		n, err := near.Write([]frame.Frame{reply(1), c.frame, reply(3)})
		if n != 1 || !errors.Is(err, c.want) {
			t.Errorf("%s: %d frames written, %v; want 1 and %v", c.what, n, err, c.want)
		}
		send(t, near, reply(2))
		if got := numbers(readUntil(t, far, 2)); !slices.Equal(got, []int{1, 2}) {
			t.Errorf("%s: %v arrived, want 1 and 2", c.what, got)
		}
	}
	send(t, near, packet(macBroadcast, 9, 0x88b5, make([]byte, 1500)))
	readUntil(t, far, 9)
}

// Write returns ErrBusy when the queue of the link is full.
func TestSlaveBusy(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near := openSlave(t, l, "near", acceptNone)
	throttle(t, l, "near", 4000)
	frames := slices.Repeat([]frame.Frame{packet(macBroadcast, 0, 0x88b5, make([]byte, 1000))}, 100)
	n, err := near.Write(frames)
	if n < 1 || n > 10 || !errors.Is(err, ErrBusy) {
		t.Errorf("%d frames written, %v; want some and %v", n, err, ErrBusy)
	}
	if n, err = near.Write(frames); n > 10 || !errors.Is(err, ErrBusy) {
		t.Errorf("%d frames written, %v; want few and %v", n, err, ErrBusy)
	}
}

// throttle makes a link send almost nothing, with a queue of limit bytes.
func throttle(t *testing.T, l *namespace, name string, limit uint32) {
	t.Helper()
	must(t, l.h.QdiscAdd(&netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: linkOf(t, l, name).Index, Parent: netlink.HANDLE_ROOT},
		// The kernel limits the burst to what passes in 2^32 ns (net/sched/
		// sch_tbf.c, tbf_change). One frame must fit in it.
		Rate:   400,        // bytes a second
		Buffer: 64_000_000, // ticks of 64 ns
		Limit:  limit,
	}))
}

// A label is that of the frames that are written after it, and only the capabilities of the
// daemon allow it. What is refused leaves no part of a label behind.
func TestSlaveLabel(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near := openSlave(t, l, "near", acceptNone)
	labelled := func(want Label) {
		t.Helper()
		var got Label
		near.sender.raw.Control(func(fd uintptr) {
			priority, _ := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PRIORITY)
			mark, _ := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK)
			got = Label{uint32(priority), uint32(mark)}
		})
		if got != want {
			t.Errorf("the label is %+v, want %+v", got, want)
		}
	}
	for _, label := range []Label{{6, 0}, {0, 7}, {1<<32 - 1, 1 << 31}, {}, {6, 0}} {
		must(t, near.SetLabel(label))
		labelled(label)
	}
	must(t, near.SetLabel(Label{}))
	dropNetworkRights(t)
	if err := near.SetLabel(Label{5, 7}); !errors.Is(err, unix.EPERM) {
		t.Errorf("%v, want %v", err, unix.EPERM)
	}
	labelled(Label{})
	must(t, near.SetLabel(Label{}))
}

// dropNetworkRights takes the capabilities about networks from the thread of the test, which
// ends with the test.
func dropNetworkRights(t *testing.T) {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	must(t, unix.Capget(&header, &data[0]))
	data[0].Effective &^= 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW
	must(t, unix.Capset(&header, &data[0]))
}

// Write waits while the send buffer of the socket is full. Close ends that.
func TestSlaveCloseWakes(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near := openSlave(t, l, "near", acceptNone)
	throttle(t, l, "near", 1<<30)
	frames := slices.Repeat([]frame.Frame{packet(macBroadcast, 0, 0x88b5, make([]byte, 1400))}, 20_000)
	ended := make(chan error)
	go func() {
		n, err := near.Write(frames)
		if n == 0 || n == len(frames) {
			err = errors.Join(err, errors.New("Write did not wait for room"))
		}
		ended <- err
	}()
	go func() {
		_, err := near.Read(0)
		ended <- err
	}()
	await(t, "the queue to fill", func() bool { return unsentBytes(t, near) > slaveSendBytes })
	for range 2 { // while Write waits
		before := near.Progress()
		await(t, "progress", func() bool { return near.Progress() > before })
	}
	must(t, near.Close())
	for range 2 {
		if err := <-ended; err != os.ErrClosed {
			t.Errorf("%v, want %v", err, os.ErrClosed)
		}
	}
	must(t, near.Close())
}

// unsentBytes returns how many of the written bytes wait in the kernel.
func unsentBytes(t *testing.T, s *Slave) (n int) {
	t.Helper()
	s.sender.raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	return n
}

// setBuffer sets the size in bytes of the send buffer or of the receive buffer.
func (s *Slave) setBuffer(option, size int) (err error) {
	var raw interface{ Control(func(uintptr)) error } = s.file.raw
	if option == unix.SO_SNDBUF || option == unix.SO_SNDBUFFORCE {
		raw = s.sender.raw
	}
	raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, size) })
	return err
}
