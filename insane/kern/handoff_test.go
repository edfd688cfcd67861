package kern

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// newVerdict loads a program for ingress that returns the same code for every frame, as
// another program of the host might.
func newVerdict(t testing.TB, verdict int32) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, verdict), asm.Return()}})
	must(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

// putAhead attaches a program before all others at the ingress of near.
func (w *wire) putAhead(p *ebpf.Program) (remove func() error) {
	w.t.Helper()
	index := w.near.Attrs().Index
	if hasTCX(w.t) {
		l, err := link.AttachTCX(link.TCXOptions{Interface: index, Program: p,
			Attach: ebpf.AttachTCXIngress, Anchor: link.Head()})
		must(w.t, err)
		return l.Close
	}
	// Of filters of one priority the latest is the first (net/sched/cls_bpf.c).
	f := foreignBPF(index, 1, "other", p)
	f.Handle = 77
	must(w.t, netlink.FilterAdd(f))
	return func() error { return netlink.FilterDel(f) }
}

func foreignBPF(index int, priority uint16, name string, p *ebpf.Program) *netlink.BpfFilter {
	return &netlink.BpfFilter{FilterAttrs: netlink.FilterAttrs{LinkIndex: index, Parent: netlink.HANDLE_MIN_INGRESS,
		Protocol: unix.ETH_P_ALL, Priority: priority}, Fd: p.FD(), Name: name, DirectAction: true}
}

// openGroup opens a UDP socket in the slave's stack that sends to a multicast group and is
// a member of it.
func (w *wire) openGroup() (send func(), hears func() bool) {
	w.t.Helper()
	addr, err := netlink.ParseAddr(host4 + "/24")
	must(w.t, err)
	must(w.t, netlink.AddrAdd(w.near, addr))
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	must(w.t, err)
	w.t.Cleanup(func() { unix.Close(fd) })
	group := unix.SockaddrInet4{Port: 5353, Addr: [4]byte{224, 0, 0, 251}}
	must(w.t, unix.Bind(fd, &unix.SockaddrInet4{Port: group.Port}))
	membership := unix.IPMreqn{Multiaddr: group.Addr, Ifindex: int32(w.near.Attrs().Index)}
	must(w.t, unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &membership))
	must(w.t, unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &membership))
	send = func() { must(w.t, unix.Sendto(fd, []byte("hello"), 0, &group)) }
	hears = func() bool {
		w.heard() // waits until all frames have arrived
		n, _, err := unix.Recvfrom(fd, make([]byte, 100), 0)
		return err == nil && n == 5
	}
	return send, hears
}

// A decision is for one frame. If a program before ours drops the frame, its decision
// stays in the handoff. It must not apply to the next frame, nor to the copy of a
// multicast packet that the host itself sends: packet sockets do not get that copy, so
// there is no decision about it (net/packet/af_packet.c, packet_rcv).
func TestNoStaleDecision(t *testing.T) {
	onEach(t, func(t *testing.T, w *wire) {
		send, hears := w.openGroup()
		send()
		if !hears() {
			t.Fatal("the stack does not hear its own multicast")
		}
		for _, c := range []struct {
			what  string
			then  func()
			check func()
		}{
			{"a frame", func() { w.send(2, toHost, nil, unix.ETH_P_IP, udp4(plain4, host4)) }, func() {
				toDevice, toStack := w.heard()
				w.expect("the next frame", toDevice[2], toStack[2], slave)
			}},
			{"a copy of multicast", send, func() {
				if !hears() {
					t.Error("the stack lost its own multicast to a decision about another frame")
				}
			}},
		} {
			remove := w.putAhead(newVerdict(t, actShot))
			w.send(1, toHost, nil, unix.ETH_P_IP, udp4(plain4, own4))
			must(t, remove())
			c.then()
			c.check()
		}
	})
}

// A decision applies once: the stack keeps a frame that reaches ingress without one.
func TestDecisionServesOnce(t *testing.T) {
	b := newBench(t, hostClaims)
	if got := b.auto(toHost, unix.ETH_P_IP, udp4(plain4, own4)); got != device {
		t.Fatalf("%v, want the device's", got)
	}
	if verdict := b.steal(); verdict != actUnspec {
		t.Errorf("verdict %d on a frame that nobody decided about", int32(verdict))
	}
}

// In the mode all, the stack keeps the frames that the host sends to itself.
func TestAllLeavesLoopedMulticast(t *testing.T) {
	onEach(t, func(t *testing.T, w *wire) {
		w.exchange(w.r.All())
		send, hears := w.openGroup()
		for range 10 {
			send()
			if !hears() {
				t.Fatal("the stack lost its own multicast")
			}
		}
	})
}
