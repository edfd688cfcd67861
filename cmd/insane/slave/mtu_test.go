package slave

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

const (
	ethernetHeader = 14
	largestTAP     = 65535 - ethernetHeader // drivers/net/tun.c, tun_net_init
)

// TestSlaveMTU: the device has the same MTU as its slave. The largest frame passes
// unchanged. A frame that is one byte longer, which a user can send after raising the MTU
// of insane, is dropped and counted as too big.
func TestSlaveMTU(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--address", "10.9.0.3/32")
	testbed.Silence(t, l)
	testbed.DisableIPv6(t, l, "default") // for an insane whose MTU is too small for IPv6 and grows again
	testbed.AwaitCarrier(t, l, true)
	into, arrivals := testbed.NewInjector(t, l, "insane"), receive(t, l)
	labtest.SetMTU(t, l.Morgana, lab.Link, 65535) // only the sender's MTU is tested
	for _, mtu := range []int{68, 576, 1280, 1500, 9000, 65535, 1500, 68} {
		labtest.SetMTU(t, l.Borea, lab.Link, mtu)
		want := min(mtu, largestTAP)
		testbed.AwaitMTU(t, l, d, want)
		before, arrived := labtest.Info(t, d).TX.Stats, arrivals.whole.Load()
		const n = 10
		into.Send(n, ethernetHeader+want)
		after, dropped := testbed.SettledStats(t, d, before, n)
		if relayed := after.Relayed.Packets - before.Relayed.Packets; relayed != n || len(dropped) != 0 {
			t.Errorf("MTU %d: relayed %d of %d, dropped %v", mtu, relayed, n, dropped)
		}
		labtest.Await(t, "all frames to arrive", func() bool { return arrivals.whole.Load() == arrived+n })
		if want == largestTAP {
			continue // there is no larger MTU
		}
		labtest.SetMTU(t, l.Borea, "insane", want+100)
		into.Send(n, ethernetHeader+want+1)
		_, dropped = testbed.SettledStats(t, d, after, n)
		if diff := cmp.Diff(map[string]uint64{api.DropTooBig: n}, dropped); diff != "" {
			t.Errorf("MTU %d: dropped (-want +got):\n%s", mtu, diff)
		}
	}
	arrivals.check(t)
}

// TestSlaveMTUUnderLoad changes the MTU while frames of all sizes are sent. No frame is
// truncated, and each frame that insane took is in the counters.
func TestSlaveMTUUnderLoad(t *testing.T) {
	t.Parallel()
	l, r := labtest.New(t), testbed.Seeded(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--address", "10.9.0.3/32")
	testbed.Silence(t, l)
	testbed.DisableIPv6(t, l, "default") // for an insane whose MTU is too small for IPv6 and grows again
	testbed.AwaitCarrier(t, l, true)
	into, arrivals := testbed.NewInjector(t, l, "insane"), receive(t, l)
	labtest.SetMTU(t, l.Morgana, lab.Link, 65535)
	before := labtest.Info(t, d).TX.Stats

	taken, refused := uint64(0), 0
	var over atomic.Bool
	var load sync.WaitGroup
	load.Go(func() {
		for k := 0; !over.Load(); k++ {
			switch err := into.Try(60 + k*37%9000); {
			case err == nil:
				taken++
			case errors.Is(err, unix.EMSGSIZE): // by insane, whose MTU is smaller
				refused++
			default:
				t.Errorf("send: %v", err)
				return
			}
			if k%50 == 49 {
				time.Sleep(time.Millisecond)
			}
		}
	})
	stop := sync.OnceFunc(func() {
		over.Store(true)
		load.Wait()
	})
	defer stop()
	mtus := []int{68, 576, 1280, 1500, 9000, 65535}
	at := 3
	for range testbed.Soak(t, 40) {
		at = (at + 1 + r.IntN(len(mtus)-1)) % len(mtus) // never the same MTU twice in a row
		mtu := mtus[at]
		labtest.SetMTU(t, l.Borea, lab.Link, mtu)
		testbed.AwaitMTU(t, l, d, min(mtu, largestTAP))
		labtest.SetMTU(t, l.Borea, "insane", min(mtu, largestTAP-100)+100)
		time.Sleep(time.Duration(r.Int64N(int64(10 * time.Millisecond))))
	}
	stop()
	after, dropped := testbed.SettledStats(t, d, before, taken)
	if all := after.Offered.Packets + after.Overruns - before.Offered.Packets - before.Overruns; all != taken {
		t.Errorf("insane took %d frames, %d are accounted for", taken, all)
	}
	if dropped[api.DropTooBig] == 0 || len(dropped) != 1 || refused == 0 {
		t.Errorf("dropped %v, refused %d: want some as %s and no others", dropped, refused, api.DropTooBig)
	}
	sent := after.Relayed.Packets - before.Relayed.Packets
	labtest.Await(t, "what was relayed to arrive", func() bool { return arrivals.whole.Load() == sent })
	arrivals.check(t)
}

// arrivals counts the injector's frames that reach morgana.
type arrivals struct {
	whole, cut atomic.Uint64
	conn       *os.File
}

// receive counts until the test ends.
func receive(t *testing.T, l *lab.Lab) *arrivals {
	t.Helper()
	a := &arrivals{}
	err := l.Morgana.Do(func() error {
		protocol := int(testbed.EtherTypeTest&0xff<<8 | testbed.EtherTypeTest>>8) // htons(3)
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
		if err != nil {
			return err
		}
		a.conn = os.NewFile(uintptr(fd), "arrivals")
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20)
	})
	if err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		frame := make([]byte, 1<<17)
		for {
			n, err := a.conn.Read(frame)
			if err != nil {
				return
			}
			if n >= ethernetHeader+4 && int(binary.BigEndian.Uint32(frame[ethernetHeader:])) == n {
				a.whole.Add(1)
			} else {
				a.cut.Add(1)
			}
		}
	})
	t.Cleanup(func() {
		a.conn.Close()
		reading.Wait()
	})
	return a
}

func (a *arrivals) check(t testing.TB) {
	t.Helper()
	if cut := a.cut.Load(); cut != 0 {
		t.Errorf("%d frames did not arrive whole", cut)
	}
}
