package wire

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// TestBigTCP: streams arrive complete where the links carry super-frames of up to 512 KiB,
// in both directions on both paths. The policy drops what it should, and nothing else is
// lost.
func TestBigTCP(t *testing.T) {
	testbed.EachPath(t, func(t *testing.T, path string) {
		b := testbed.New(t, path)
		for _, h := range []*lab.Host{b.Borea, b.Morgana} {
			enlarge(t, h, lab.Link, 524280) // GSO_MAX_SIZE of linux/netdevice.h
			// Super-frames as large as they may be, however long a round trip takes.
			b.Sysctl(t, h, "ipv4/tcp_tso_rtt_log", "31")
		}
		t.Run("tx", func(t *testing.T) { bigStreams(t, b) })
		t.Run("rx", func(t *testing.T) { bigStreams(t, b.Back()) })
	})
}

// enlarge makes a link carry super-frames of so many bytes.
func enlarge(t *testing.T, h *lab.Host, name string, bytes int) {
	t.Helper()
	link, n := labtest.LinkOf(t, h, name), h.Netlink()
	labtest.Must(t, errors.Join(n.LinkSetGSOMaxSize(link, bytes), n.LinkSetGROMaxSize(link, bytes),
		n.LinkSetGSOIPv4MaxSize(link, bytes), n.LinkSetGROIPv4MaxSize(link, bytes)))
}

func bigStreams(t *testing.T, b *testbed.Bed) {
	for _, family := range []int{4, 6} {
		for i, text := range []string{"pass", "percent 99"} {
			t.Run(fmt.Sprintf("IPv%d/%s", family, text), func(t *testing.T) {
				longest := watchLengths(t, b)
				streamWhole(t, b, family, 16<<20, text, uint64(10*family+i))
				if n := longest(); b.Receiving() && text == "pass" && n <= 1<<16 {
					t.Errorf("the longest frame of the cable had %d bytes: that is no test", n)
				}
			})
		}
	}
	checkChecksums(t, b)
}

// watchLengths returns a function that tells the length of the longest frame that the cable
// has brought since then, in bytes.
func watchLengths(t *testing.T, b *testbed.Bed) (longest func() int) {
	t.Helper()
	s := b.RawSocket(t, b.To, lab.Link, 0)
	none, stop, ended := unix.NsecToTimeval(1e7), make(chan struct{}), make(chan int)
	if err := unix.SetsockoptTimeval(s.Fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &none); err != nil {
		t.Fatal(err)
	}
	go func() {
		most, one := 0, make([]byte, 1)
		for {
			if n, _, err := unix.Recvfrom(s.Fd, one, unix.MSG_TRUNC); err == nil {
				most = max(most, n)
				continue
			}
			select {
			case <-stop:
				ended <- most
				return
			default: // nothing came for a while
			}
		}
	}()
	return func() int {
		close(stop)
		return <-ended
	}
}
