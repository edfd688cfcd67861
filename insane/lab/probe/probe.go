package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

// Host is where a probe begins or ends. Do runs a function inside of its network
// namespace and returns what the function returns; sockets that it opens stay
// there. A host of package lab is one.
type Host interface {
	Do(func() error) error
}

// Probe is a stream of numbered UDP packets from one host to another. The
// receiver notes which ones arrive, so that a result tells of each packet what
// became of it and is not only a sum.
type Probe struct {
	From, To Host

	// Address is where the packets go, one of To's. It must be given. It decides the route, and so whether they meet a device.
	Address netip.Addr

	// Source is where they come from, one of From's addresses; the zero one
	// leaves it to the kernel.
	Source netip.Addr

	// Count is how many packets are sent, 1 to 10 million.
	Count int

	// Rate is the pace in packets per second, 1 to 1 million. A sender that
	// was held up catches up in a burst, but with no more than 64 packets;
	// by what it is behind beyond that, the probe takes longer.
	Rate int

	// Payload is the size of each packet's UDP payload in bytes, 8 to 1232,
	// which fits the smallest MTU; 0 means 64.
	Payload int

	// Buffer is the receiver's socket buffer in bytes, as the kernel counts
	// them (socket(7), SO_RCVBUF); 0 means 16 MiB.
	Buffer int

	// Settle is how long nothing must arrive, after the last packet was
	// sent, for the probe to be over; 0 means 250 ms.
	Settle time.Duration
}

const (
	indexSize  = 8    // bytes of a packet's number, at the start of its payload, big endian
	burst      = 64   // packets; far below any queue on the way
	minMTU     = 1280 // bytes, which every link can carry (RFC 8200 section 5)
	maxPayload = minMTU - 40 - 8
)

// A probe, in the order in which it happens:
//
//	1  receive   opens To's socket, so that nothing is early
//	2  dial      opens From's socket
//	3  run       notes arrivals, in a goroutine of its own, while
//	4  send      sends on schedule
//	5  settle    waits until the wire, the device and the socket are empty
//	6  stop      ends run, which then asks the kernel what it dropped

// Run sends the packets and returns what became of them. It takes Count/Rate
// seconds and Settle. When ctx ends early, it fails with the context's error.
func (p Probe) Run(ctx context.Context) (*Result, error) {
	p, err := p.complete()
	if err != nil {
		return nil, err
	}
	r, err := p.receive()
	if err != nil {
		return nil, err
	}
	defer r.conn.Close()
	conn, err := p.dial(r.port())
	if err != nil {
		return nil, err
	}
	defer conn.Close()

	result := newResult(p.Count)
	done := make(chan error, 1)
	go func() { done <- r.run(result) }()
	sent, err := p.send(ctx, conn, result.Start)
	if err == nil {
		err = r.settle(ctx, p.Settle)
	}
	r.stop()
	// Only now is result ours alone.
	err = errors.Join(err, <-done)
	result.addSent(sent)
	return result, err
}

// sentPackets is the sender's half of a result.
type sentPackets struct {
	at      []time.Duration // since the start, by number; never if refused
	refused int
	refusal error // the first
}

// send sends all packets, none before its time.
func (p Probe) send(ctx context.Context, conn *net.UDPConn, start time.Time) (sentPackets, error) {
	sent := sentPackets{at: make([]time.Duration, 0, p.Count)}
	pace := rate.NewLimiter(rate.Limit(p.Rate), burst)
	pace.AllowN(start, burst) // begin without the burst that a full bucket allows
	payload := make([]byte, p.Payload)
	for i := range p.Count {
		// The limiter sleeps as precisely as timers do, about 1 ms; what
		// has become due meanwhile is let through without another sleep.
		if err := pace.Wait(ctx); err != nil {
			return sent, fmt.Errorf("send packet %d: %w", i, err)
		}
		binary.BigEndian.PutUint64(payload, uint64(i))
		at := time.Since(start)
		if _, err := conn.Write(payload); err != nil {
			// A number is the kernel's answer to this packet: ENOBUFS of a
			// full queue, EHOSTUNREACH of a route. Anything else is ours.
			if _, ok := errors.AsType[syscall.Errno](err); !ok {
				return sent, fmt.Errorf("send packet %d: %w", i, err)
			}
			at = never
			sent.refused++
			if sent.refusal == nil {
				sent.refusal = err
			}
		}
		sent.at = append(sent.at, at)
	}
	return sent, nil
}

// dial opens the sending socket. It is connected, so that the kernel picks the
// source address once.
func (p Probe) dial(port uint16) (conn *net.UDPConn, err error) {
	err = p.From.Do(func() error {
		var from *net.UDPAddr
		if p.Source.IsValid() {
			from = net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.Source, 0))
		}
		to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.Address, port))
		if conn, err = net.DialUDP("udp", from, to); err != nil {
			return fmt.Errorf("open sender: %w", err)
		}
		return nil
	})
	return conn, err
}

// complete checks what was given and fills in what was not.
func (p Probe) complete() (Probe, error) {
	if !p.Address.IsValid() {
		return p, errors.New("probe address: must be given")
	}
	if p.Payload == 0 {
		p.Payload = 64
	}
	if p.Buffer == 0 {
		p.Buffer = 16 << 20
	}
	if p.Settle == 0 {
		p.Settle = 250 * time.Millisecond
	}
	for _, f := range []struct {
		name         string
		value        int
		least, most  int
		unitOfValues string
	}{
		{"count", p.Count, 1, 10_000_000, "packets"},
		{"rate", p.Rate, 1, 1_000_000, "packets per second"},
		{"payload", p.Payload, indexSize, maxPayload, "bytes"},
		{"buffer", p.Buffer, 1, 1 << 30, "bytes"},
	} {
		if f.value < f.least || f.value > f.most {
			return p, fmt.Errorf("probe %s %d: must be %d to %d %s", f.name, f.value, f.least, f.most, f.unitOfValues)
		}
	}
	if p.Settle < 0 {
		return p, fmt.Errorf("probe settle %v: must not be negative", p.Settle)
	}
	return p, nil
}

// errNotQuiet is of a receiver that still gets packets long after the last was sent.
var errNotQuiet = fmt.Errorf("wait for the receiver to settle: %w", os.ErrDeadlineExceeded)
