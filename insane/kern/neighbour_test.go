package kern

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

// message is a packet of neighbours, for an address of the device.
type message struct {
	what      string
	etherType uint16
	body      []byte
}

// messages are messages of all kinds that are spared.
func messages() []message {
	ofLink := func(packet []byte) []byte {
		packet[7] = 1
		return packet
	}
	list := []message{
		{"ARP request", unix.ETH_P_ARP, arp(1, mate4, own4)},
		{"ARP reply", unix.ETH_P_ARP, arp(2, mate4, own4)},
		{"IGMP query", unix.ETH_P_IP, igmp(mate4, own4, []byte{0x94, 4, 0, 0})},
		{"MLD query", unix.ETH_P_IPV6, ofLink(listen(nodeLocal, own6))},
		{"MLD report", unix.ETH_P_IPV6, ofLink(nd(nodeLocal, own6, 143, "::"))},
	}
	for kind := byte(133); kind <= 137; kind++ {
		list = append(list, message{"neighbour discovery", unix.ETH_P_IPV6, nd(mate6, own6, kind, own6)})
	}
	return list
}

// withTags puts VLAN tags in front of a packet.
func (m message) withTags(tags ...uint16) message {
	for _, tag := range tags {
		body := binary.BigEndian.AppendUint16([]byte{0, vlan}, m.etherType)
		m.what, m.etherType, m.body = m.what+" with a tag", tag, append(body, m.body...)
	}
	return m
}

// Messages of neighbours are relayed whatever the policy, take no number and count apart;
// unless the entry judges them. The relay comes first here as well.
func TestNeighboursAreSpared(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	queue := c.direction.Queue()
	for _, m := range messages() {
		for _, m := range []message{m, m.withTags(unix.ETH_P_8021Q), m.withTags(unix.ETH_P_8021Q, unix.ETH_P_8021AD)} {
			s := sample{what: m.what, message: &m}
			c.direction.JudgeNeighbours(false)
			c.open("percent 0", 0)
			c.expect(s, spared)
			c.enter()
			c.expect(s, undecided)
			queue.Done(1)
			c.direction.Kick(now() - 1) // the daemon is dead
			c.expect(s, spared)
			c.direction.Kick(now() + forever)
			c.direction.JudgeNeighbours(true)
			c.open("time 0 1h", 0)
			c.expect(s, dropped)
		}
	}
	for _, s := range []sample{small, {what: "a tag", message: new(message{"", unix.ETH_P_8021Q, make([]byte, 60)})}} {
		c.direction.JudgeNeighbours(false)
		c.open("percent 0", 0)
		c.expect(s, dropped)
	}
}

// The kernel spares exactly the frames that package frame calls messages of neighbours,
// whatever their bytes.
func TestNeighbourIsFrames(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	c.open("percent 0", 0)
	r := chance{rand.New(rand.NewPCG(2000, 13))}
	types := []uint16{unix.ETH_P_ARP, unix.ETH_P_IP, unix.ETH_P_IPV6, unix.ETH_P_8021Q, unix.ETH_P_8021AD, etherExperiment}
	frames, seen := 20_000/raceDivisor, 0
	for range frames {
		all := messages()
		m := all[r.IntN(len(all))]
		for range r.IntN(4) {
			m = m.withTags(r.one(types[3:]...))
		}
		switch b := m.body; r.IntN(8) {
		case 0, 1:
			b[r.IntN(min(len(b), 70))] = byte(r.one(0, 1, 2, 6, 58, 130, 133, 137, 143, 255))
		case 2:
			m.etherType = types[r.IntN(len(types))]
		case 3:
			m.body = b[:r.IntN(len(b))]
		}
		if len(m.body) < max(1, leastRun[m.etherType]) { // BPF_PROG_TEST_RUN does not accept it
			continue
		}
		s := sample{what: m.what, message: &m}
		f := s.build(0)
		want := dropped
		if frame.Neighbour(f) {
			want, seen = spared, seen+1
		}
		if got, _ := c.transmit(s, f); got != want {
			t.Fatalf("%s: %v, want %v: % x", s.what, got, want, f[frame.HeaderLen:])
		}
	}
	if seen < frames/4 || seen > frames*9/10 {
		t.Errorf("%d of %d frames are spared: that is no test", seen, frames)
	}
}

// A received message of neighbours counts apart once the host has accepted it. One that the
// host refuses has no verdict either.
func TestDeliverNeighbours(t *testing.T) {
	r := newReceiver(t)
	r.open("percent 0", 0)
	s := sample{message: &messages()[0]}
	length := uint64(len(s.build(0)) - frame.HeaderLen)
	hand := func() {
		t.Helper()
		kept, handoff := r.receive(r.bpf.ReceiveAll, s, r.forDevice(s))
		if kept != 0 || handoff.To != uint64(r.to) {
			t.Fatalf("%d bytes for the socket, %d left at ingress", int32(kept), handoff.To)
		}
		_, err := r.bpf.ReceiveSteal.Run(&ebpf.RunOptions{Data: r.forDevice(s)[frame.HeaderLen:]})
		must(t, err)
	}
	arrive, err := r.attachArrive(InterfaceOptions{Link: r.to, Clsact: true})
	must(t, err)
	defer arrive.Close()
	hand()
	want := Counts{NeighbourPackets: 1, NeighbourBytes: length}
	if got := r.direction.Counts(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	r.direction.Drain()
	must(t, netlink.LinkSetDown(linkOf(t, "slave")))
	hand()
	want.RefusedPackets, want.RefusedBytes, want.UnjudgedPackets = 1, length, 1
	if got := r.direction.Counts(); got != want || r.next.Load() != 0 {
		t.Errorf("interface down: %+v, %d numbers; want %+v", got, r.next.Load(), want)
	}
}

// The counters of an entry that judges neighbours are those of its owner.
func TestJudgedNeighboursCount(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	s := sample{message: &messages()[0]}
	for i, judge := range []bool{true, false, true} {
		c.direction.JudgeNeighbours(judge)
		must(t, c.direction.Open(policy.Program{}, c.to, i))
		_, err := c.bpf.TransmitTcx.Run(c.options(s, s.build(0)))
		must(t, err)
		if got := c.direction.CountsOf(i); (got.RelayedPackets == 1) != judge || (got.NeighbourPackets == 1) == judge {
			t.Errorf("judged %v: %+v", judge, got)
		}
	}
}
