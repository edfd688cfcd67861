package kern

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// attachment is one of the ways in which the program at ingress is attached.
type attachment struct {
	name   string
	attach func(r *Objects, index int) (io.Closer, error)
}

// attachments returns the ways that this kernel has. Every kernel has clsact.
func attachments(t *testing.T) []attachment {
	t.Helper()
	list := []attachment{{"clsact", (*Objects).attachClsact}}
	if hasTCX(t) {
		list = append(list, attachment{"tcx", func(p *Objects, index int) (io.Closer, error) {
			return p.AttachSlave(SlaveOptions{Link: index})
		}})
	}
	return list
}

// hasTCX asks the kernel for the programs of a link (Linux 6.6).
func hasTCX(t *testing.T) bool {
	t.Helper()
	_, err := link.QueryPrograms(link.QueryOptions{Target: 1, Attach: ebpf.AttachTCXIngress})
	return err == nil
}

// onEach runs a test for each way of attachment in a namespace of its own.
func onEach(t *testing.T, test func(t *testing.T, w *wire)) {
	for _, a := range attachments(t) {
		t.Run(a.name, func(t *testing.T) { test(t, newWire(t, a)) })
	}
}

// wire is a slave, near, with a device's packet socket and the program at ingress,
// and its cable, far.
type wire struct {
	t         *testing.T
	r         *Objects
	near, far netlink.Link
	out       int   // sends from far
	device    int   // hears what is the device's
	stack     []int // hear behind ingress, as the protocols of the slave's stack do
	attached  io.Closer
}

func newWire(t *testing.T, a attachment) *wire {
	t.Helper()
	w := &wire{t: t}
	w.near, w.far = newNamespace(t)
	w.r = openObjects(t, hostClaims)
	var err error
	w.attached, err = a.attach(w.r, w.near.Attrs().Index)
	must(t, err)
	t.Cleanup(func() { w.attached.Close() })
	w.out = w.socket(w.far, 0, 0)
	w.device = w.socket(w.near, unix.ETH_P_ALL, w.r.Auto())
	for _, protocol := range []uint16{unix.ETH_P_ARP, unix.ETH_P_IP, unix.ETH_P_IPV6,
		unix.ETH_P_8021Q, unix.ETH_P_802_2, etherExperiment} {
		w.stack = append(w.stack, w.socket(w.near, protocol, 0))
	}
	return w
}

// socket opens a packet socket on a link. A socket for one protocol receives after tc
// ingress, a socket for all protocols before it (net/core/dev.c,
// __netif_receive_skb_core).
func (w *wire) socket(l netlink.Link, protocol uint16, program int) int {
	w.t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	must(w.t, err)
	w.t.Cleanup(func() { unix.Close(fd) })
	if program != 0 {
		must(w.t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, program))
	}
	must(w.t, unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1))
	must(w.t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20))
	network := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, protocol))
	must(w.t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: network, Ifindex: l.Attrs().Index}))
	return fd
}

// number returns the source address of a numbered frame.
func number(n int) []byte { return []byte{2, 0x69, 0x6e, 0x73, byte(n >> 8), byte(n)} }

// send sends a numbered frame from far.
func (w *wire) send(n int, to towards, tag []byte, etherType uint16, body []byte) {
	w.t.Helper()
	f := append(bytes.Clone(to.destination(w.near.Attrs().HardwareAddr)), number(n)...)
	f = binary.BigEndian.AppendUint16(append(f, tag...), etherType)
	_, err := unix.Write(w.out, append(f, body...))
	must(w.t, err)
}

// hear counts the numbered frames that have arrived at sockets.
func (w *wire) hear(count map[int]int, sockets ...int) {
	w.t.Helper()
	buf := make([]byte, 4096)
	for _, fd := range sockets {
		for {
			n, err := unix.Read(fd, buf)
			if errors.Is(err, unix.EAGAIN) {
				break
			}
			must(w.t, err)
			if n >= 14 && bytes.Equal(buf[6:10], number(0)[:4]) {
				count[int(binary.BigEndian.Uint16(buf[10:]))]++
			}
		}
	}
}

// lastNumber is the number of the frame that is sent last.
const lastNumber = 0xffff

// heard sends a last frame, and returns how often each came to the device and to
// the stack.
func (w *wire) heard() (toDevice, toStack map[int]int) {
	w.t.Helper()
	w.send(lastNumber, toHost, nil, etherExperiment, make([]byte, 46))
	toDevice, toStack = make(map[int]int), make(map[int]int)
	await(w.t, "the last frame", func() bool {
		w.hear(toDevice, w.device)
		w.hear(toStack, w.stack...)
		return toDevice[lastNumber]+toStack[lastNumber] > 0
	})
	w.hear(toDevice, w.device)
	w.hear(toStack, w.stack...)
	return toDevice, toStack
}

// expect compares where one frame has arrived with its owner.
func (w *wire) expect(what string, toDevice, toStack int, want owner) {
	w.t.Helper()
	wantDevice, wantStack := 0, 0
	if want != slave {
		wantDevice = 1
	}
	if want != device {
		wantStack = 1
	}
	if toDevice != wantDevice || toStack != wantStack {
		w.t.Errorf("%s: %d to the device, %d to the stack; want the %v's", what, toDevice, toStack, want)
	}
}

// The same cases on a wire: VLAN tags are beside the bytes, and the decision goes through
// the handoff.
func TestOwnerOnTheWire(t *testing.T) {
	onEach(t, func(t *testing.T, w *wire) {
		cases := ownerCases()
		for i, c := range cases {
			w.send(i, c.to, c.tag, c.etherType, c.body)
		}
		toDevice, toStack := w.heard()
		for i, c := range cases {
			w.expect(c.what, toDevice[i], toStack[i], c.want)
		}
	})
}

// In the mode all, the device owns every frame.
func TestAllOnTheWire(t *testing.T) {
	onEach(t, func(t *testing.T, w *wire) {
		w.exchange(w.r.All())
		cases := ownerCases()
		for i, c := range cases {
			w.send(i, c.to, c.tag, c.etherType, c.body)
		}
		toDevice, toStack := w.heard()
		for i, c := range cases {
			w.expect(c.what, toDevice[i], toStack[i], device)
		}
		w.r.RX().Kick(0)
		w.send(0, toHost, nil, unix.ETH_P_IP, udp4(plain4, own4))
		toDevice, toStack = w.heard()
		w.expect("without a running watchdog", toDevice[0], toStack[0], slave)
	})
}

// While filters are replaced, each frame still has exactly one owner.
func TestExchangeOnTheWire(t *testing.T) {
	onEach(t, func(t *testing.T, w *wire) {
		toDevice, toStack := make(map[int]int), make(map[int]int)
		const frames = 20_000
		for i := range frames {
			if i%50 == 0 {
				program := []int{w.r.Auto(), w.r.All()}[i/50%2]
				w.exchange(program)
			}
			w.send(i, toHost, nil, unix.ETH_P_IP, udp4(plain4, host4))
			if i%400 == 399 { // no more than a queue takes
				someDevice, someStack := w.heard()
				maps.Copy(toDevice, someDevice)
				maps.Copy(toStack, someStack)
			}
		}
		devices := 0
		for i := range frames {
			if toDevice[i]+toStack[i] != 1 {
				t.Fatalf("frame %d: %d to the device, %d to the stack", i, toDevice[i], toStack[i])
			}
			devices += toDevice[i]
		}
		if devices < frames/4 || devices > frames*3/4 {
			t.Errorf("%d of %d frames to the device, want about half", devices, frames)
		}
	})
}

// Without the socket there is no decision, and the stack gets every frame.
func TestSocketGone(t *testing.T) {
	onEach(t, func(t *testing.T, w *wire) {
		w.send(1, toHost, nil, unix.ETH_P_IP, udp4(plain4, own4))
		toDevice, toStack := w.heard()
		w.expect("with the socket", toDevice[1], toStack[1], device)
		nothing := w.socket(w.far, unix.ETH_P_LOOPBACK, 0)
		must(t, unix.Dup3(nothing, w.device, unix.O_CLOEXEC)) // closes it
		w.send(2, toHost, nil, unix.ETH_P_IP, udp4(plain4, own4))
		toDevice, toStack = w.heard()
		w.expect("without it", toDevice[2], toStack[2], slave)
	})
}

// exchange gives the socket another filter. Two of the large ones together can be more than
// a socket may have, so a small one comes in between.
func (w *wire) exchange(program int) {
	w.t.Helper()
	for _, next := range []int{w.r.None(), program} {
		must(w.t, unix.SetsockoptInt(w.device, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, next))
	}
}
