package path

import (
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestPathKeepsLabels: a packet has its priority and its mark at the slave, on the fast path
// and on the relay, in one piece and as a part of a super-frame. Several CPUs send packets
// with different labels, and without one, at the same time.
func TestPathKeepsLabels(t *testing.T) {
	if !testbed.HasTCX(t) {
		t.Log("no tcx: nothing can compare the labels at the slave")
		return
	}
	t.Run(api.PathAuto, func(t *testing.T) {
		t.Parallel()
		l := newLabels(t, api.PathAuto)
		testbed.AwaitPaths(t, l.bed.Daemon, api.PathKernel)
		l.check(t, "the fast path", "pass")
		l.check(t, "parts of super-frames", "percent 90")
		labtest.Run(t, l.bed.Borea, "ip", "link", "set", self, "promisc", "on")
		awaitPath(t, l.bed, api.PathRelay, "promiscuous")
		l.check(t, "the relay", "pass")
	})
	t.Run(api.PathRelay, func(t *testing.T) {
		t.Parallel()
		l := newLabels(t, api.PathRelay)
		l.check(t, "the relay", "pass")
		l.check(t, "parts of super-frames", "percent 50")
	})
}

// labels is a device whose slave is watched for the labels of what it sends.
type labels struct {
	bed          *testbed.Bed
	right, wrong func() int // frames
}

func newLabels(t *testing.T, path string) labels {
	b := testbed.New(t, path)
	right, wrong := testbed.LabelCheck(t, b.Borea, slave)
	return labels{b, right, wrong}
}

// check sends labelled frames and fails unless all that are relayed have their label.
func (l labels) check(t *testing.T, what, policy string) {
	t.Helper()
	b := l.bed
	b.AwaitQuiet(t)
	labtest.Set(t, b.Daemon, b.Change(policy))
	before, from := l.right(), b.Stats(t)
	sent := sendLabelled(t, b)
	b.AwaitQuiet(t)
	s := b.Stats(t)
	n, lost := l.right()-before, int(s.Overruns-from.Overruns)
	if w := l.wrong(); w != 0 || n == 0 || policy == "pass" && n+lost != sent {
		t.Errorf("%s: %d frames sent, %d lost, %d right, %d with a wrong label", what, sent, lost, n, w)
	}
}

// sendLabelled sends frames of several sizes from several sockets at once, few enough for
// the queue of the interface. It returns their number.
func sendLabelled(t *testing.T, b *testbed.Bed) (sent int) {
	t.Helper()
	const rounds, frames = 40, 5 // of each sender
	var group sync.WaitGroup
	for port := testbed.LabelBase; port < testbed.LabelBase+testbed.LabelPorts; port++ {
		conn := labelled(t, b, port)
		sent += rounds * frames
		group.Go(func() {
			to := &net.UDPAddr{IP: b.Address(4).AsSlice(), Port: port}
			for range rounds {
				for range frames {
					if _, err := conn.WriteTo(make([]byte, 1+rand.IntN(6000)), to); err != nil {
						t.Errorf("send: %v", err)
					}
				}
			}
		})
	}
	group.Wait()
	return sent
}

// labelled opens a socket that sends super-frames of packets with a label.
func labelled(t *testing.T, b *testbed.Bed, port int) (conn net.PacketConn) {
	t.Helper()
	err := b.From.Do(func() (err error) {
		conn, err = net.ListenUDP("udp4", nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	testbed.OnSocket(t, conn.(*net.UDPConn), func(fd int) error {
		label := port
		if port == testbed.LabelBase {
			label = 0
		}
		return errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, testbed.Segment),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PRIORITY, label),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, label),
		)
	})
	return conn
}
