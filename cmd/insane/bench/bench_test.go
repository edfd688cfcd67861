package bench

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// The benchmarks compare ways between borea and morgana in one run, so that other load of
// the machine affects all of them: the bare veth pair, the device in front of it, and the
// naive relay. `make bench` alternates them many times and compares them with benchstat.
// With the race detector the results mean nothing.

// benchWay is a way from borea to morgana and back. It has its own lab, so that the device
// of one way does not slow another one down.
type benchWay struct {
	*lab.Lab
	name   string
	daemon *lab.Daemon // nil: there is no device
	path   string      // of the device
	oneWay bool        // packets from morgana do not pass the device that is measured
}

// newWays makes all ways. The policy of the devices is pass.
func newWays(b *testing.B) []*benchWay {
	b.Helper()
	naive := &benchWay{Lab: labtest.New(b), name: "naive", oneWay: true}
	startNaive(b, naive.Lab)
	ways := inTurn([]*benchWay{
		{Lab: labtest.New(b), name: "direct"},
		newDeviceWay(b, "relay", api.PathRelay, api.ReceiveAuto),
		newDeviceWay(b, "kernel-tx", api.PathKernel, api.ReceiveNone),
		newDeviceWay(b, "kernel", api.PathKernel, api.ReceiveAuto),
		naive,
	})
	for _, w := range ways {
		w.meet(b)
	}
	return ways
}

// meet makes both hosts learn each other's MAC address before faults could drop the
// requests.
func (w *benchWay) meet(b *testing.B) {
	b.Helper()
	near, far := w.ends()
	near.dial(b, far.listenTCP(b).Addr())
}

// newDeviceWay starts a device through which morgana is routed.
func newDeviceWay(b *testing.B, name, path, receive string, args ...string) *benchWay {
	b.Helper()
	l := labtest.New(b)
	args = append(args, "--slave", lab.Link, "--route", l.Morgana.IPv4.String(), "--path", path, "--receive", receive)
	w := &benchWay{Lab: l, name: name, daemon: labtest.StartDaemon(b, l, args...), path: path, oneWay: receive == api.ReceiveNone}
	w.awaitPath(b)
	return w
}

// awaitPath waits until the device uses the path it was asked for.
func (w *benchWay) awaitPath(b *testing.B) {
	b.Helper()
	for deadline := time.Now().Add(testbed.Longest); ; time.Sleep(10 * time.Millisecond) {
		state := labtest.Info(b, w.daemon)
		if state.Path == w.path {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("%s takes the path %s, not %s: %s", w.name, state.Path, w.path, state.PathReason)
		}
	}
}

// inTurn reverses a list in every other run, so that a drift of the machine cancels out.
func inTurn[T any](list []T) []T {
	if os.Getenv("INSANE_BENCH_REVERSE") != "" {
		slices.Reverse(list)
	}
	return list
}

// each runs a benchmark on each way, with either host sending.
func each(b *testing.B, run func(b *testing.B, w *benchWay, sender, receiver benchEnd)) {
	ways := newWays(b)
	for _, from := range []string{"borea", "morgana"} {
		for _, w := range ways {
			sender, receiver := w.ends()
			if from == w.Morgana.Name {
				if w.oneWay {
					continue
				}
				sender, receiver = receiver, sender
			}
			b.Run("from="+from+"/path="+w.name, func(b *testing.B) { run(b, w, sender, receiver) })
		}
	}
	checkWays(b, ways)
}

// checkWays makes a run invalid if the counters of a device do not balance or if it did not
// use its path.
func checkWays(b *testing.B, ways []*benchWay) {
	b.Helper()
	for _, w := range ways {
		w.check(b)
	}
}

func (w *benchWay) check(b *testing.B) {
	b.Helper()
	if w.daemon == nil {
		return
	}
	state := labtest.Info(b, w.daemon)
	labtest.CheckCounters(b, state.TX.Stats)
	labtest.CheckCounters(b, state.RX.Stats)
	if state.Path != w.path {
		b.Errorf("%s has left the path %s: %s", w.name, w.path, state.PathReason)
	}
}

// fault sets the policy for the packets that a host sends. Without a device it does
// nothing.
func (w *benchWay) fault(b *testing.B, from *lab.Host, policy string) {
	b.Helper()
	switch {
	case w.daemon == nil:
	case from == w.Borea:
		labtest.Set(b, w.daemon, api.Change{TX: &policy})
	default:
		labtest.Set(b, w.daemon, api.Change{RX: &policy})
	}
}

// stats returns the counters of the packets that a host sends.
func (w *benchWay) stats(b *testing.B, from *lab.Host) api.Stats {
	b.Helper()
	s, err := w.daemon.Client.Stats(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	if from == w.Borea {
		return s.TX
	}
	return s.RX
}

// benchEnd is one end of a way.
type benchEnd struct {
	host *lab.Host
	addr netip.Addr
}

// ends returns borea and morgana; the address of morgana is the one whose route is
// measured.
func (w *benchWay) ends() (near, far benchEnd) {
	return benchEnd{w.Borea, w.Borea.IPv4}, benchEnd{w.Morgana, w.Morgana.IPv4}
}

func (e benchEnd) listenTCP(b *testing.B) net.Listener {
	b.Helper()
	var l net.Listener
	err := e.host.Do(func() (err error) {
		l, err = net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(e.addr, 0)))
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}

// dial connects to an address of the other end.
func (e benchEnd) dial(b *testing.B, to net.Addr) net.Conn {
	b.Helper()
	var local net.Addr = &net.TCPAddr{IP: e.addr.AsSlice()}
	if to.Network() == "udp" {
		local = &net.UDPAddr{IP: e.addr.AsSlice()}
	}
	var c net.Conn
	err := e.host.Do(func() (err error) {
		d := net.Dialer{Timeout: testbed.Longest, LocalAddr: local}
		c, err = d.Dial(to.Network(), to.String())
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}
