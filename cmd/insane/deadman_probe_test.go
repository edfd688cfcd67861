package main

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/seed-39a139a1/insane/insane/lab"
)

// probeSpacing is the pace of a prober.
const probeSpacing = 10 * time.Millisecond

// prober sends numbered packets from one host to an address of another, and notes
// through which link of that each comes in: that link had the frame.
type prober struct {
	to      *lab.Host
	in, out *net.UDPConn
	ending  chan struct{}
	running sync.WaitGroup
	ended   sync.Once

	mu  sync.Mutex
	via [][]int // by number: indices of the links that the packet came in through
}

// unsent is in place of a link for what morgana herself could not send.
const unsent = -1

// newProber begins to send from an address of morgana to one of borea (IPv4).
// Both must be there; they may go later on.
func newProber(t testing.TB, l *lab.Lab, from, to string) *prober {
	t.Helper()
	return probe(t, l.Morgana, l.Borea, from, to)
}

// probe begins to send from an address of one host to one of another.
func probe(t testing.TB, sender, receiver *lab.Host, from, to string) *prober {
	t.Helper()
	p := &prober{to: receiver, ending: make(chan struct{})}
	p.in = listenUDP(t, receiver, netip.MustParseAddr(to))
	if err := ipv4.NewPacketConn(p.in).SetControlMessage(ipv4.FlagInterface, true); err != nil {
		t.Fatal(err)
	}
	p.out = connectUDP(t, sender, &net.UDPAddr{IP: net.ParseIP(from)}, p.in)
	p.running.Go(p.send)
	p.running.Go(p.receive)
	t.Cleanup(p.end)
	return p
}

// connectUDP opens a socket in a host, with that local address unless it is nil,
// that sends to another one.
func connectUDP(t testing.TB, h *lab.Host, local *net.UDPAddr, to *net.UDPConn) (conn *net.UDPConn) {
	t.Helper()
	err := h.Do(func() (err error) {
		conn, err = net.DialUDP("udp", local, to.LocalAddr().(*net.UDPAddr))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func (p *prober) end() {
	p.ended.Do(func() {
		close(p.ending)
		p.in.Close()
		p.out.Close()
		p.running.Wait()
	})
}

func (p *prober) send() {
	pace := time.NewTicker(probeSpacing)
	defer pace.Stop()
	for number := uint64(0); ; number++ {
		p.mu.Lock()
		p.via = append(p.via, nil)
		p.mu.Unlock()
		if _, err := p.out.Write(binary.BigEndian.AppendUint64(nil, number)); err != nil {
			p.note(number, unsent)
		}
		select {
		case <-p.ending:
			return
		case <-pace.C:
		}
	}
}

func (p *prober) receive() {
	payload, control := make([]byte, 9), make([]byte, 128)
	for {
		n, nc, _, _, err := p.in.ReadMsgUDPAddrPort(payload, control)
		if err != nil {
			return // closed
		}
		var message ipv4.ControlMessage
		if message.Parse(control[:nc]) == nil && n == 8 {
			p.note(binary.BigEndian.Uint64(payload), message.IfIndex)
		}
	}
}

func (p *prober) note(number uint64, via int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if number < uint64(len(p.via)) {
		p.via[number] = append(p.via[number], via)
	}
}

// next is the number of the first packet that is not sent yet.
func (p *prober) next() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.via)
}

// await waits until a packet of at least that number has come in through a link
// of that name, and returns its number. What was sent before it has met its fate:
// all packets wait in the same queues.
func (p *prober) await(t testing.TB, from int, name string) (number int) {
	t.Helper()
	index := linkOf(t, p.to, name).Attrs().Index
	eventually(t, "a packet to come in through "+name, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		from = min(from, len(p.via))
		i := slices.IndexFunc(p.via[from:], func(via []int) bool { return slices.Contains(via, index) })
		number = from + i
		return i >= 0
	})
	return number
}

// awaitNow is await for what is sent from now on.
func (p *prober) awaitNow(t testing.TB, name string) int {
	t.Helper()
	return p.await(t, p.next(), name)
}

// missing are the numbers in [from, to) of packets that were sent and came nowhere.
func (p *prober) missing(from, to int) (numbers []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n, via := range p.via[from:to] {
		if len(via) == 0 {
			numbers = append(numbers, from+n)
		}
	}
	return numbers
}

// noneTwice fails if a packet came more than once, through whatever link.
func (p *prober) noneTwice(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for n, via := range p.via {
		if len(via) > 1 {
			t.Errorf("packet %d came through the links %v", n, via)
		}
	}
}

// alwaysThrough fails if one of the packets in [from, to) came through another link.
func (p *prober) alwaysThrough(t testing.TB, from, to int, name string) {
	t.Helper()
	index := linkOf(t, p.to, name).Attrs().Index
	p.mu.Lock()
	defer p.mu.Unlock()
	for n, via := range p.via[from:to] {
		if len(via) > 0 && via[0] != index {
			t.Errorf("packet %d came through link %d, want %s, which is %d", from+n, via[0], name, index)
		}
	}
}

// knowBorea enters borea's MAC address at morgana for good: a probe must not wait
// for ARP, or fail with it.
func knowBorea(t testing.TB, l *lab.Lab, addresses ...string) {
	t.Helper()
	mac := macOf(t, l, lab.Link)
	for _, a := range addresses {
		run(t, l.Morgana, "ip", "neigh", "replace", a, "lladdr", mac, "dev", lab.Link)
	}
}
