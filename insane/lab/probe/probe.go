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

// Host is one end of a probe. Do runs a function inside its network namespace and returns
// the result of the function; sockets that the function opens stay in the namespace.
// *lab.Host implements it.
type Host interface {
	Do(func() error) error
}

// Probe is a stream of numbered UDP packets from one host to another. The receiver records
// which packets arrive, so the result says what happened to each packet, and not only how
// many arrived.
type Probe struct {
	From, To Host

	// Address is the destination, an address of To. It is required. It determines the
	// route, and so whether the packets pass a device.
	Address netip.Addr

	// Source is the source address, one of From's; with the zero Addr the kernel chooses
	// it.
	Source netip.Addr

	// Count is how many packets are sent, 1 to 10 million.
	Count int

	// Rate is the number of packets per second, 1 to 1 million. A sender that was delayed
	// catches up with a burst of at most 64 packets; a longer delay makes the probe take
	// longer.
	Rate int

	// Payload is the size of each packet's UDP payload in bytes, 8 to 1232, which fits the
	// smallest MTU; 0 means 64.
	Payload int

	// Buffer is the receiver's socket buffer in bytes, as the kernel counts
	// them (socket(7), SO_RCVBUF); 0 means 16 MiB.
	Buffer int

	// Settle is how long no packet must arrive, after the last one was sent, before the
	// probe ends; 0 means 250 ms.
	Settle time.Duration

	// Witness is the name of the link of To at which the packets arrive. On it a packet
	// socket compares each packet with what was sent (Result.Damage and Rejected); "" means
	// that none does. It needs IPv4, and the probe must be the only stream of packets of
	// this size on the link. What it sees fits into Buffer, like what the receiver does.
	Witness string
}

const (
	indexSize  = 8    // bytes of a packet's number, at the start of its payload, big endian
	burst      = 64   // packets; much less than any queue on the way holds
	minMTU     = 1280 // bytes; every link can carry this (RFC 8200 section 5)
	maxPayload = minMTU - 40 - 8
)

// The steps of a probe, in order:
//
//	1  watch     opens the packet socket of the witness, if there is one
//	2  receive   opens To's socket, before the first packet is sent
//	3  dial      opens From's socket
//	4  run       records arrivals, in its own goroutine, while
//	5  send      sends on schedule
//	6  settle    waits until the wire, the device and the socket are empty
//	7  stop      ends run, which then asks the kernel how many packets it dropped
//	8  report    compares what the witness has seen with what was sent

// Run sends the packets and returns what happened to them. It takes Count/Rate seconds and
// Settle. If ctx ends early, it fails with the context's error.
func (p Probe) Run(ctx context.Context) (*Result, error) {
	p, err := p.complete()
	if err != nil {
		return nil, err
	}
	var w *witness
	if p.Witness != "" {
		if w, err = p.watch(); err != nil {
			return nil, err
		}
		defer w.close()
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
	// run has ended, so only this goroutine uses result now.
	err = errors.Join(err, <-done)
	result.addSent(sent)
	if w != nil && err == nil {
		err = w.report(result, p.Payload)
	}
	return result, err
}

// sentPackets is the part of a result that the sender knows.
type sentPackets struct {
	at      []time.Duration // since the start, by number; never if the packet was refused
	refused int
	refusal error // the first error of a refusal
}

// send sends all packets, each not before its time.
func (p Probe) send(ctx context.Context, conn *net.UDPConn, start time.Time) (sentPackets, error) {
	sent := sentPackets{at: make([]time.Duration, 0, p.Count)}
	pace := rate.NewLimiter(rate.Limit(p.Rate), burst)
	pace.AllowN(start, burst) // the bucket is full at first; empty it to begin without a burst
	payload := make([]byte, p.Payload)
	for i := range p.Count {
		// The limiter sleeps as precisely as timers do, about 1 ms. It lets the packets
		// that became due meanwhile pass without another sleep.
		if err := pace.Wait(ctx); err != nil {
			return sent, fmt.Errorf("send packet %d: %w", i, err)
		}
		binary.BigEndian.PutUint64(payload, uint64(i))
		at := time.Since(start)
		if _, err := conn.Write(payload); err != nil {
			// An errno is the kernel's answer to this packet: ENOBUFS for a full queue,
			// EHOSTUNREACH for a route. Any other error ends the probe.
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

// dial opens the sending socket. The socket is connected, so that the kernel chooses the
// source address only once.
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

// complete checks the fields and sets the missing ones.
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
	if p.Witness != "" && !p.Address.Is4() {
		return p, fmt.Errorf("probe witness %s: needs an IPv4 address, not %s", p.Witness, p.Address)
	}
	return p, nil
}

// errNotQuiet is the error if packets still arrive long after the last one was sent.
var errNotQuiet = fmt.Errorf("wait for the receiver to settle: %w", os.ErrDeadlineExceeded)
