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

// Probed says what happened to the packets of a stream.
type Probed struct {
	*probe.Result
	Err error
}

// probeSpacing is the time between two packets of a prober.
const probeSpacing = 10 * time.Millisecond

// Prober sends numbered packets from one host to an address of another. It records through
// which link of the receiving host each packet came; this link's stack owned the frame.
type Prober struct {
	To      *lab.Host
	in, out *net.UDPConn
	ending  chan struct{}
	running sync.WaitGroup
	ended   sync.Once

	Mu  sync.Mutex
	Via [][]int // by number: indices of the links through which the packet came
}

// unsent stands for a packet that the sending host could not send.
const unsent = -1

// NewProber starts sending from an address of morgana to an address of borea (IPv4). Both
// addresses must exist at the start; they may be removed later.
func NewProber(t testing.TB, l *lab.Lab, from, to string) *Prober {
	t.Helper()
	return Probe(t, l.Morgana, l.Borea, from, to)
}

// Probe starts sending from an address of one host to an address of another.
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

// connectUDP opens a socket in a host that sends to the socket to. local is its address;
// nil: the kernel chooses.
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

// Next returns the number of the first packet that is not sent yet.
func (p *Prober) Next() int {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	return len(p.Via)
}

// Await waits until a packet with at least this number has come through the link with this
// name, and returns the number of the packet. All packets wait in the same queues, so each
// earlier packet has then arrived or is lost.
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

// AwaitNow is Await for packets that are sent from now on.
func (p *Prober) AwaitNow(t testing.TB, name string) int {
	t.Helper()
	return p.Await(t, p.Next(), name)
}

// Missing returns the numbers in [from, to) of packets that were sent and did not arrive.
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

// NoneTwice fails if a packet arrived more than once, through any links.
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

// KnowBorea adds permanent entries for borea's MAC address to morgana, so that a probe
// neither waits for ARP nor fails with it.
func KnowBorea(t testing.TB, l *lab.Lab, addresses ...string) {
	t.Helper()
	mac := MACOf(t, l, lab.Link)
	for _, a := range addresses {
		labtest.Run(t, l.Morgana, "ip", "neigh", "replace", a, "lladdr", mac, "dev", lab.Link)
	}
}
