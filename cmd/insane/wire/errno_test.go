package wire

import (
	"fmt"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestSenderSeesNoFault: a dropped packet looks sent to the sender, even if the sender
// asked for errors.
func TestSenderSeesNoFault(t *testing.T) {
	testbed.EachPath(t, func(t *testing.T, path string) { hideFaults(t, testbed.New(t, path), 15_000) })
}

func hideFaults(t *testing.T, b *testbed.Bed, count int) {
	for _, family := range []int{4, 6} {
		in := testbed.ListenUDP(t, b.To, b.Address(family)) // otherwise its kernel would send ICMP errors
		addr := in.LocalAddr().(*net.UDPAddr)
		for _, percent := range []string{"0", "50"} {
			t.Run(fmt.Sprintf("IPv%d/percent%s/connected", family, percent), func(t *testing.T) {
				out := b.DialUDP(t, addr)
				sendAll(t, b, family, percent, count, out, out.Write)
			})
			t.Run(fmt.Sprintf("IPv%d/percent%s/unconnected", family, percent), func(t *testing.T) {
				out := testbed.ListenUDP(t, b.From, testbed.AnyAddress(family))
				target := addr.AddrPort()
				sendAll(t, b, family, percent, count, out, func(p []byte) (int, error) { return out.WriteToUDPAddrPort(p, target) })
			})
		}
	}
}

// sendAll sends many packets. No packet may be refused, and the sender may see no other
// error.
func sendAll(t *testing.T, b *testbed.Bed, family int, percent string, count int,
	conn *net.UDPConn, send func([]byte) (int, error),
) {
	t.Helper()
	if family == 4 {
		testbed.SetOption(t, conn, unix.SOL_IP, unix.IP_RECVERR, 1)
	} else {
		testbed.SetOption(t, conn, unix.SOL_IPV6, unix.IPV6_RECVERR, 1)
	}
	program, a := b.Begin(t, "percent "+percent, uint64(20*family))
	before := b.Counters(t, b.From, door(b, b.From)).TxDropped
	payload := make([]byte, 36)
	for i := range count {
		if _, err := send(payload); err != nil {
			t.Fatalf("send packet %d: %v", i, err)
		}
		if i%testbed.UnderWay == testbed.UnderWay-1 {
			a.Await(t, i+1) // an overrun would be a fault that no policy asked for
		}
	}
	a.Check(t, count, program)
	if n := b.Counters(t, b.From, door(b, b.From)).TxDropped - before; n != 0 {
		t.Errorf("the interface says that it dropped %d packets", n)
	}
	testbed.OnSocket(t, conn, func(fd int) error {
		pending, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && pending != 0 {
			t.Errorf("an error waits for the sender: %v", unix.Errno(pending))
		}
		if _, _, _, _, err := unix.Recvmsg(fd, nil, nil, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT); err != unix.EAGAIN {
			t.Errorf("read the error queue: %v, want %v", err, unix.EAGAIN)
		}
		return err
	})
}

// TestTCPSeesALossyNetwork: TCP treats a dropped packet as a loss in the network and sends
// it again, not as congestion of its own host.
func TestTCPSeesALossyNetwork(t *testing.T) {
	testbed.EachPath(t, func(t *testing.T, path string) { looseStream(t, testbed.New(t, path)) })
}

func looseStream(t *testing.T, b *testbed.Bed) {
	b.Begin(t, "percent 99", 20)
	local := b.Counters(t, b.From, door(b, b.From)).TxDropped
	info := b.SendStream(t, 4, 16<<20)
	if info.Total_retrans == 0 {
		t.Error("nothing was sent again")
	}
	if info.Ca_state > tcpRecovery || info.Backoff != 0 {
		t.Errorf("TCP did not recover: state %d, backoff %d", info.Ca_state, info.Backoff)
	}
	// TCP does not count a packet that its own host refuses as a retransmission.
	if n := b.Counter(t, b.From, "netstat", "TcpExt:TCPRetransFail"); n != 0 {
		t.Errorf("the host refused to send %d packets again", n)
	}
	if n := b.Counters(t, b.From, door(b, b.From)).TxDropped - local; n != 0 {
		t.Errorf("the interface says that it dropped %d packets", n)
	}
	b.AwaitQuiet(t)
	labtest.CheckCounters(t, b.Stats(t))
	if b.Stats(t).Dropped[api.DropPolicy].Packets == 0 {
		t.Error("the policy dropped nothing")
	}
}

// tcpRecovery is the last congestion state of TCP in which it does not start again with a
// small window (linux/tcp.h, TCP_CA_Recovery).
const tcpRecovery = 3
