package testbed

import (
	"encoding/binary"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Injector sends frames directly into a link of borea, without routes and neighbours. So
// exactly the frames that it sends are counted.
type Injector struct {
	t  testing.TB
	fd int
	to unix.SockaddrLinklayer
}

// NewInjector opens an injector into a link of borea. It is closed when the test ends.
func NewInjector(t testing.TB, l *lab.Lab, link string) *Injector {
	t.Helper()
	i := &Injector{t: t, to: unix.SockaddrLinklayer{Ifindex: labtest.LinkOf(t, l.Borea, link).Attrs().Index}}
	err := l.Borea.Do(func() (err error) {
		i.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(i.fd) })
	return i
}

// Send sends n equal frames of length bytes, in portions that fit every queue.
func (i *Injector) Send(n, length int) {
	i.t.Helper()
	for k := range n {
		if err := i.Try(length); err != nil {
			i.t.Fatalf("send frame %d of %d bytes: %v", k, length, err)
		}
		if k%100 == 99 {
			time.Sleep(time.Millisecond)
		}
	}
}

// EtherTypeTest is IEEE 802's "local experimental EtherType 1".
const EtherTypeTest = 0x88b5

// Try sends one frame, which contains its length.
func (i *Injector) Try(length int) error {
	frame := []byte{2, 9, 0, 0, 0, 2, 2, 9, 0, 0, 0, 1, EtherTypeTest >> 8, EtherTypeTest & 0xff}
	frame = binary.BigEndian.AppendUint32(frame, uint32(length))
	for len(frame) < length {
		frame = append(frame, byte(len(frame)))
	}
	return unix.Sendto(i.fd, frame, 0, &i.to)
}

// Silence keeps the host from sending packets into insane by itself: IPv6 would report its
// multicast groups during a count.
func Silence(t testing.TB, l *lab.Lab) {
	t.Helper()
	DisableIPv6(t, l, "insane")
}

// DisableIPv6 disables IPv6 on a link; with the name default, on all links that are created
// later.
func DisableIPv6(t testing.TB, l *lab.Lab, link string) {
	t.Helper()
	err := l.Borea.Do(func() error {
		return os.WriteFile("/proc/sys/net/ipv6/conf/"+link+"/disable_ipv6", []byte("1"), 0)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// SettledStats waits until the device has counted n packets more than in before, and
// returns how much each counter has grown.
func SettledStats(t testing.TB, d *lab.Daemon, before api.Stats, n uint64) (after api.Stats, dropped map[string]uint64) {
	t.Helper()
	labtest.Await(t, "all packets to be accounted for", func() bool {
		after = labtest.Info(t, d).TX.Stats
		return after.Offered.Packets+after.Overruns >= before.Offered.Packets+before.Overruns+n
	})
	labtest.CheckCounters(t, after)
	dropped = make(map[string]uint64)
	for why, c := range after.Dropped {
		if more := c.Packets - before.Dropped[why].Packets; more != 0 {
			dropped[why] = more
		}
	}
	return after, dropped
}
