package wire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
)

// TestReceiveSenderSeesNoFault: the host on the far side sees losses only.
func TestReceiveSenderSeesNoFault(t *testing.T) {
	testbed.EachPath(t, func(t *testing.T, path string) {
		b := testbed.NewReceiver(t, path)
		hideFaults(t, b, 8000)
		checkNobodyTold(t, b)
	})
}

// checkNobodyTold fails if borea sent an ICMP error about a packet.
func checkNobodyTold(t testing.TB, b *testbed.Bed) {
	t.Helper()
	for _, name := range []string{"Icmp:OutMsgs", "Icmp:OutDestUnreachs"} {
		if n := b.Counter(t, b.Borea, "snmp", name); n != 0 {
			t.Errorf("borea counts %s %d", name, n)
		}
	}
	if n := b.Counter(t, b.Borea, "snmp6", "Icmp6OutDestUnreachs"); n != 0 {
		t.Errorf("borea told IPv6 senders of %d packets that they do not arrive", n)
	}
}

// TestReceiveTCPSeesALossyNetwork: TCP on the far side treats a dropped packet as a loss in
// the network and sends it again.
func TestReceiveTCPSeesALossyNetwork(t *testing.T) {
	testbed.EachPath(t, func(t *testing.T, path string) {
		b := testbed.NewReceiver(t, path)
		looseStream(t, b)
		if n := b.Counter(t, b.Borea, "snmp", "Tcp:OutRsts"); n != 0 {
			t.Errorf("borea reset %d connections", n)
		}
	})
}

// TestReceiveNobodyAnswers: at percent 0 neither the device nor the slave tells the far
// side that no socket listens. Both do so as soon as packets pass.
func TestReceiveNobodyAnswers(t *testing.T) {
	t.Parallel()
	b := testbed.NewReceiver(t)
	for _, family := range []int{4, 6} {
		const closed = 7 // no socket listens on any port
		to := netip.AddrPortFrom(b.Address(family), closed)
		for _, tt := range []struct {
			percent string
			wait    time.Duration // for an answer that must not come, or that must
			right   func(error) bool
		}{{"0", 300 * time.Millisecond, timedOut}, {"100", testbed.Longest, refused}} {
			t.Run(fmt.Sprintf("IPv%d/percent%s", family, tt.percent), func(t *testing.T) {
				b.Begin(t, "percent "+tt.percent, 61)
				if err := dialTCP(b.From, to, tt.wait); !tt.right(err) {
					t.Errorf("connect: got %v", err)
				}
				if err := askUDP(t, b, to, tt.wait); !tt.right(err) {
					t.Errorf("ask: got %v", err)
				}
				b.AwaitQuiet(t)
			})
		}
	}
}

func timedOut(err error) bool {
	failed, ok := errors.AsType[net.Error](err)
	return ok && failed.Timeout()
}

func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// dialTCP connects to an address at which no socket listens.
func dialTCP(h *lab.Host, to netip.AddrPort, wait time.Duration) error {
	return h.Do(func() error {
		dialer := net.Dialer{Timeout: wait}
		conn, err := dialer.Dial("tcp", to.String())
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// askUDP sends a datagram to an address at which no socket listens, and waits for an
// answer.
func askUDP(t testing.TB, b *testbed.Bed, to netip.AddrPort, wait time.Duration) error {
	t.Helper()
	conn := b.DialUDP(t, net.UDPAddrFromAddrPort(to))
	if to.Addr().Is6() {
		testbed.SetOption(t, conn, unix.SOL_IPV6, unix.IPV6_RECVERR, 1)
	}
	if _, err := conn.Write([]byte("?")); err != nil {
		return err
	}
	_ = conn.SetReadDeadline(time.Now().Add(wait))
	_, err := conn.Read(make([]byte, 1))
	return err
}
