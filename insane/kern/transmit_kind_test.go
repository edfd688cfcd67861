package kern

import (
	"encoding/binary"
	"net"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/policy"
)

// vlan is a VLAN number.
const vlan = 100

// tag makes near's frames bear a tag beside the bytes until remove is called, as
// those of a VLAN interface do.
func (w *fork) tag() (remove func() error) {
	w.t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R2, int32(binary.NativeEndian.Uint16([]byte{0x81, 0x00}))),
		asm.Mov.Imm(asm.R3, vlan),
		asm.FnSkbVlanPush.Call(),
		asm.Mov.Imm(asm.R0, -1),
		asm.Return(),
	}})
	must(w.t, err)
	defer p.Close()
	index := w.near.Attrs().Index
	if hasTCX(w.t) { // which comes before clsact
		l, err := link.AttachTCX(link.TCXOptions{Interface: index, Program: p, Attach: ebpf.AttachTCXEgress, Anchor: link.Head()})
		must(w.t, err)
		return l.Close
	}
	f := foreignBPF(index, 1, "tag", p)
	f.Parent, f.Handle = netlink.HANDLE_MIN_EGRESS, 77
	must(w.t, netlink.FilterAdd(f))
	return func() error { return netlink.FilterDel(f) }
}

// openUDP makes a socket of the host's that sends through near to some neighbour.
func (w *fork) openUDP() (send func(payload, size int)) {
	w.t.Helper()
	addr, err := netlink.ParseAddr(own4 + "/24")
	must(w.t, err)
	must(w.t, netlink.AddrAdd(w.near, addr))
	must(w.t, netlink.NeighAdd(&netlink.Neigh{LinkIndex: w.near.Attrs().Index, IP: net.ParseIP(mate4),
		State: netlink.NUD_PERMANENT, HardwareAddr: w.far.Attrs().HardwareAddr}))
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(w.t, err)
	w.t.Cleanup(func() { unix.Close(fd) })
	must(w.t, unix.Connect(fd, &unix.SockaddrInet4{Port: 9, Addr: ip(mate4).As4()}))
	return func(payload, size int) {
		w.t.Helper()
		must(w.t, unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, size))
		_, err := unix.Write(fd, make([]byte, payload))
		must(w.t, err)
	}
}

// A UDP super-frame of the host counts as the number of datagrams that the host asked
// for. If all of them have one verdict, the fast path decides about the super-frame.
func TestTransmitDatagrams(t *testing.T) {
	onEachFork(t, func(t *testing.T, w *fork) {
		send := w.openUDP()
		for _, text := range []string{"pass", "percent 0", "percent 99", "percent 1"} {
			pol, err := policy.Parse(text)
			must(t, err)
			program := pol.Compile(0, 2000)
			must(t, w.direction.Open(program, w.slave.Attrs().Index, text))
			for i := range 200 / raceDivisor {
				size := 200 + 5*i
				s := sample{family: 4, protocol: unix.IPPROTO_UDP, payload: 1 + 7*size - i%size, size: size}
				before, next := w.direction.Counts(), w.next.Load()
				want, layout := outcomeOf(&program, 0, next, s.build(0))
				send(s.payload, s.size)
				before.add(countsOf(want, program.Decide(0, next), layout))
				if got := w.direction.Counts(); got != before {
					t.Fatalf("%s: %+v: %v: %+v, want %+v", text, s, want, got, before)
				}
				if want == undecided {
					w.next.Add(uint64(layout.Packets()))
				} else if w.next.Load() != next+uint64(layout.Packets()) {
					t.Fatalf("%s: %+v: %d numbers", text, s, w.next.Load()-next)
				}
			}
		}
	})
}
