package testbed

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
	"github.com/seed-39a139a1/insane/insane/lab/labtest"

	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

// Probed is what became of a stream.
type Probed struct {
	*probe.Result
	Err error
}

// probeSpacing is the pace of a prober.
const probeSpacing = 10 * time.Millisecond

// Prober sends numbered packets from one host to an address of another, and notes
// through which link of that each comes in: that link had the frame.
type Prober struct {
	To      *lab.Host
	in, out *net.UDPConn
	ending  chan struct{}
	running sync.WaitGroup
	ended   sync.Once

	Mu  sync.Mutex
	Via [][]int // by number: indices of the links that the packet came in through
}

// unsent is in place of a link for what morgana herself could not send.
const unsent = -1

// NewProber begins to send from an address of morgana to one of borea (IPv4).
// Both must be there; they may go later on.
func NewProber(t testing.TB, l *lab.Lab, from, to string) *Prober {
	t.Helper()
	return Probe(t, l.Morgana, l.Borea, from, to)
}

// Probe begins to send from an address of one host to one of another.
func Probe(t testing.TB, sender, receiver *lab.Host, from, to string) *Prober {
	t.Helper()
	p := &Prober{To: receiver, ending: make(chan struct{})}
	p.in = ListenUDP(t, receiver, netip.MustParseAddr(to))
	if err := ipv4.NewPacketConn(p.in).SetControlMessage(ipv4.FlagInterface, true); err != nil {
		t.Fatal(err)
	}
	p.out = connectUDP(t, sender, &net.UDPAddr{IP: net.ParseIP(from)}, p.in)
	p.running.Go(p.send)
	p.running.Go(p.receive)
	t.Cleanup(p.End)
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

// End stops sending and waits for both goroutines.
func (p *Prober) End() {
	p.ended.Do(func() {
		close(p.ending)
		p.in.Close()
		p.out.Close()
		p.running.Wait()
	})
}

func (p *Prober) send() {
	pace := time.NewTicker(probeSpacing)
	defer pace.Stop()
	for number := uint64(0); ; number++ {
		p.Mu.Lock()
		p.Via = append(p.Via, nil)
		p.Mu.Unlock()
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

func (p *Prober) receive() {
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

func (p *Prober) note(number uint64, via int) {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	if number < uint64(len(p.Via)) {
		p.Via[number] = append(p.Via[number], via)
	}
}

// Next is the number of the first packet that is not sent yet.
func (p *Prober) Next() int {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	return len(p.Via)
}

// Await waits until a packet of at least that number has come in through a link
// of that name, and returns its number. All packets wait in the same queues,
// so what was sent before it has arrived or is lost.
func (p *Prober) Await(t testing.TB, from int, name string) (number int) {
	t.Helper()
	index := labtest.LinkOf(t, p.To, name).Attrs().Index
	labtest.Await(t, "a packet to come in through "+name, func() bool {
		p.Mu.Lock()
		defer p.Mu.Unlock()
		from = min(from, len(p.Via))
		i := slices.IndexFunc(p.Via[from:], func(via []int) bool { return slices.Contains(via, index) })
		number = from + i
		return i >= 0
	})
	return number
}

// AwaitNow is await for what is sent from now on.
func (p *Prober) AwaitNow(t testing.TB, name string) int {
	t.Helper()
	return p.Await(t, p.Next(), name)
}

// Missing are the numbers in [from, to) of packets that were sent and came nowhere.
func (p *Prober) Missing(from, to int) (numbers []int) {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	for n, via := range p.Via[from:to] {
		if len(via) == 0 {
			numbers = append(numbers, from+n)
		}
	}
	return numbers
}

// NoneTwice fails if a packet came more than once, through whatever link.
func (p *Prober) NoneTwice(t testing.TB) {
	t.Helper()
	p.Mu.Lock()
	defer p.Mu.Unlock()
	for n, via := range p.Via {
		if len(via) > 1 {
			t.Errorf("packet %d came through the links %v", n, via)
		}
	}
}

// KnowBorea enters borea's MAC address at morgana for good: a probe must not wait
// for ARP, or fail with it.
func KnowBorea(t testing.TB, l *lab.Lab, addresses ...string) {
	t.Helper()
	mac := MACOf(t, l, lab.Link)
	for _, a := range addresses {
		labtest.Run(t, l.Morgana, "ip", "neigh", "replace", a, "lladdr", mac, "dev", lab.Link)
	}
}
