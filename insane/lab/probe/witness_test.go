package probe_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

// A cable damages nothing, and the witness must say so, of every packet, in both directions.
func TestWitnessOfAWholeStream(t *testing.T) {
	l := labtest.New(t)
	for _, tt := range []struct{ from, to *lab.Host }{{l.Borea, l.Morgana}, {l.Morgana, l.Borea}} {
		const count = 3000
		p := probe.Probe{From: tt.from, To: tt.to, Address: tt.to.IPv4, Count: count, Rate: 10_000, Payload: 200, Witness: lab.Link}
		r := runProbe(t, p)
		if want := (probe.Damage{Seen: count}); r.Damage != want || r.Received != count || r.Rejected+r.Overflowed+r.Lost() != 0 {
			t.Errorf("to %s: %+v, received %d, rejected %d, overflowed %d, lost %d",
				tt.to.Name, r.Damage, r.Received, r.Rejected, r.Overflowed, r.Lost())
		}
	}
}

// Datagrams with a wrong checksum reach the receiver's socket, whose drops count them in some
// versions of the kernel. They are rejected and no overflow, and not the probe's if they have
// another size.
func TestWitnessTellsRejectionFromOverflow(t *testing.T) {
	l := labtest.New(t)
	p := probe.Probe{From: l.Borea, To: l.Morgana, Address: l.Morgana.IPv4, Count: 1000, Rate: 2000, Payload: 200, Witness: lab.Link}
	const forged = 7
	r, err := runWith(p, func() {
		var port uint16
		labtest.Await(t, "the receiver's socket", func() bool {
			port = onlyPort(t, l.Morgana)
			return port != 0
		})
		for range forged {
			forge(t, l, port)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Rejected != forged || r.Overflowed != 0 || r.Received != 1000 || r.Damage != (probe.Damage{Seen: 1000}) {
		t.Errorf("rejected %d, overflowed %d, received %d, %+v", r.Rejected, r.Overflowed, r.Received, r.Damage)
	}
}

// A packet that dies in a full buffer is overflow with a witness, too.
func TestWitnessOfAnOverflow(t *testing.T) {
	l := labtest.New(t)
	r := runProbe(t, probe.Probe{From: l.Borea, To: l.Morgana, Address: l.Morgana.IPv4, Count: 20_000, Rate: 1_000_000, Payload: 1000, Buffer: 1, Witness: lab.Link})
	if r.Overflowed == 0 || r.Rejected != 0 || r.Received+r.Overflowed != 20_000 {
		t.Errorf("received %d, overflowed %d, rejected %d", r.Received, r.Overflowed, r.Rejected)
	}
}

func TestWitnessOfNoLink(t *testing.T) {
	l := labtest.New(t)
	p := probe.Probe{From: l.Borea, To: l.Morgana, Address: l.Morgana.IPv4, Count: 1, Rate: 1, Witness: "eth1"}
	if _, err := p.Run(context.Background()); err == nil || !strings.HasPrefix(err.Error(), "watch eth1: ") {
		t.Errorf("got %v", err)
	}
}

// onlyPort returns the port of the only UDP socket of a host; 0 if there is none.
func onlyPort(t *testing.T, h *lab.Host) (port uint16) {
	t.Helper()
	var table []byte
	err := h.Do(func() (err error) {
		table, err = os.ReadFile("/proc/thread-self/net/udp")
		return err
	})
	lines := strings.Split(strings.TrimSpace(string(table)), "\n")[1:]
	if err != nil || len(lines) > 1 {
		t.Errorf("%d sockets, %v", len(lines), err)
	}
	if len(lines) == 0 {
		return 0
	}
	_, hex, _ := strings.Cut(strings.Fields(lines[0])[1], ":")
	n, err := strconv.ParseUint(hex, 16, 16)
	if err != nil {
		t.Error(err)
	}
	return uint16(n)
}

// forge sends a datagram with a wrong checksum from borea to morgana.
func forge(t *testing.T, l *lab.Lab, port uint16) {
	t.Helper()
	err := l.Borea.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
		if err != nil {
			return err
		}
		datagram := make([]byte, 8+64)
		binary.BigEndian.PutUint16(datagram, port)
		binary.BigEndian.PutUint16(datagram[2:], port)
		binary.BigEndian.PutUint16(datagram[4:], uint16(len(datagram)))
		datagram[7] = 1 // which is right for none of the ports that the kernel chooses
		return errors.Join(unix.Sendto(fd, datagram, 0, &unix.SockaddrInet4{Addr: l.Morgana.IPv4.As4()}), unix.Close(fd))
	})
	if err != nil {
		t.Error(err)
	}
}
