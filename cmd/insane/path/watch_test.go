package path

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// watched is the number of packets that a test sends while another program watches.
// watchedAtOnce is how many of them it sends before it waits, few enough for tcpdump to see
// each.
const (
	watched       = 320
	watchedAtOnce = 16
)

// newWatched makes a testbed whose path is the kernel unless another program watches.
func newWatched(t testing.TB) *testbed.Bed {
	t.Helper()
	b := testbed.New(t, api.PathKernel)
	b.Path = api.PathAuto
	return b
}

// awaitPath waits until the device sends by a path, for a reason that contains a word.
func awaitPath(t testing.TB, b *testbed.Bed, path, reason string) api.Info {
	t.Helper()
	return b.AwaitState(t, func(i api.Info) bool {
		return i.TX.Path == path && strings.Contains(i.TX.PathReason, reason) && i.Path == path
	})
}

// watchable sends some packets through the device, which drops half of them.
func watchable(t testing.TB, b *testbed.Bed, seed uint64) api.Stats {
	t.Helper()
	program, a := b.Begin(t, "percent 50", seed)
	f, c := b.NewFlow(t, 4), testbed.Cargo{Count: watched, Size: testbed.Always(36)}
	c.Send = func(from, to int) {
		for ; from < to; from += watchedAtOnce {
			f.SendPlain(t, c, from, min(from+watchedAtOnce, to))
			a.Await(t, min(from+watchedAtOnce, to))
		}
	}
	f.Carry(t, a, program, c)
	return a.Stats(t)
}

// TestPathStepsAside: a program that watches packets sent into the interface, such as
// tcpdump, sees each packet before it may be dropped, because the relay takes over
// meanwhile. Received packets can be seen on either path, so the path of rx stays.
func TestPathStepsAside(t *testing.T) {
	testbed.RequireProgram(t, "tcpdump")
	b := newWatched(t)
	for i, tt := range []struct {
		link   string
		flags  []string
		reason string
		shows  string
	}{
		{testbed.Device, nil, "promiscuous", `(?m)^.*UDP, length 36$`},
		{testbed.Device, []string{"-p"}, "packet socket", `(?m)^.*UDP, length 36$`},
		{"any", nil, "packet socket", `(?m)^.* ` + testbed.Device + ` +(?:In|Out) .*UDP, length 36$`},
	} {
		t.Run(strings.Join(append(tt.flags, tt.link), " "), func(t *testing.T) {
			awaitPath(t, b, api.PathKernel, "")
			c, out := testbed.Tcpdump(t, b.Borea, tt.link, "udp", tt.flags...)
			d := &testbed.Dump{Cmd: c, Out: out, Link: tt.link, Shows: regexp.MustCompile(tt.shows)}
			if now := awaitPath(t, b, api.PathRelay, tt.reason); now.RX.Path != api.PathKernel {
				t.Errorf("what arrives takes the path %s (%s)", now.RX.Path, now.RX.PathReason)
			}
			checkShown(t, b, tt.reason)
			sent := watchable(t, b, uint64(200+i))
			back := b.Back()
			back.Path = api.PathKernel
			received := watchable(t, back, uint64(210+i))
			d.Check(t, int(sent.Offered.Packets+received.Relayed.Packets))
			awaitPath(t, b, api.PathKernel, "")
			checkFast(t, b)
		})
	}
}

// checkShown fails unless insanely shows that the relay is the path, and the reason.
func checkShown(t testing.TB, b *testbed.Bed, reason string) {
	t.Helper()
	out := labtest.Run(t, b.Borea, "insanely", "--socket", b.Daemon.Socket)
	if !regexp.MustCompile(`(?m)^path +relay: .*` + regexp.QuoteMeta(reason)).MatchString(out) {
		t.Errorf("insanely does not show the path:\n%s", out)
	}
}

// checkFast fails unless the kernel carries packets that are sent.
func checkFast(t testing.TB, b *testbed.Bed) {
	t.Helper()
	before := b.Counters(t, b.Borea, testbed.Device).TxPackets
	watchable(t, b, 220)
	if n := b.Counters(t, b.Borea, testbed.Device).TxPackets - before; n != 0 {
		t.Errorf("%d of %d packets went by the relay", n, watched)
	}
}

// TestPathQdisc: a queueing discipline of the interface shapes all packets that are sent
// into it.
func TestPathQdisc(t *testing.T) {
	b := newWatched(t)
	for _, qdisc := range []string{"pfifo", "tbf rate 1gbit burst 64kb latency 50ms"} {
		kind, _, _ := strings.Cut(qdisc, " ")
		t.Run(kind, func(t *testing.T) {
			awaitPath(t, b, api.PathKernel, "")
			labtest.Run(t, b.Borea, "tc", strings.Fields("qdisc add dev "+testbed.Device+" root "+qdisc)...)
			awaitPath(t, b, api.PathRelay, "queueing discipline "+kind)
			watchable(t, b, 230)
			shown := testbed.Numbers(t, labtest.Run(t, b.Borea, "tc", "-s", "qdisc", "show", "dev", testbed.Device), `Sent \d+ bytes (\d+) pkt`)
			if shown[0] < watched {
				t.Errorf("the queueing discipline had %d packets, want %d", shown[0], watched)
			}
			labtest.Run(t, b.Borea, "tc", "qdisc", "del", "dev", testbed.Device, "root")
			awaitPath(t, b, api.PathKernel, "")
			checkFast(t, b)
		})
	}
}

// TestPathInBridge: a bridge makes its ports promiscuous, but the device does not count it
// as a watcher.
func TestPathInBridge(t *testing.T) {
	testbed.RequireProgram(t, "tcpdump")
	t.Parallel()
	l := labtest.New(t)
	testbed.SecondSubnet(t, l)
	guest := testbed.NewGuest(t, l, "port0", "10.8.0.5/24")
	d := labtest.StartDaemon(t, l, "--slave", lab.Link, "--path", api.PathKernel)
	testbed.NewBridge(t, l, "br1", "port0")
	labtest.Run(t, l.Borea, "ip", "link", "set", testbed.Device, "master", "br1", "up")
	labtest.Furnish(t, l.Borea, "br1", "10.8.0.1/24")
	testbed.AwaitCarrier(t, l, true)
	testbed.AwaitPromiscuous(t, l, true)
	labtest.Set(t, d, api.Change{Receive: new(api.ReceiveAll)})
	testbed.PingsAll(t, guest, "10.8.0.2")
	testbed.PingsAll(t, l.Borea, "10.8.0.2")
	testbed.KeepNeighbours(t, l.Borea, l.Morgana, guest)
	testbed.AwaitPaths(t, d, api.PathKernel)
	before := labtest.LinkOf(t, l.Borea, testbed.Device).Attrs().Statistics
	testbed.Faults(t, d, "percent 50", "percent 60")
	for _, w := range []testbed.Way{
		{From: guest, To: l.Morgana, Address: "10.8.0.2", Share: 0.5}, {From: l.Morgana, To: guest, Address: "10.8.0.5", Share: 0.6},
		{From: l.Borea, To: l.Morgana, Address: "10.8.0.2", Share: 0.5}, {From: l.Morgana, To: l.Borea, Address: "10.8.0.1", Share: 0.6},
	} {
		w.Check(t)
	}
	time.Sleep(2 * time.Second) // the device looks several times meanwhile
	testbed.AwaitPaths(t, d, api.PathKernel)
	after := labtest.LinkOf(t, l.Borea, testbed.Device).Attrs().Statistics
	if tx, rx := after.TxPackets-before.TxPackets, after.RxPackets-before.RxPackets; tx > testbed.PerWay/10 || rx > testbed.PerWay/10 {
		t.Errorf("%d packets went by the relay to the slave, %d to the bridge", tx, rx)
	}
	testbed.Balanced(t, d)

	c, _ := testbed.Tcpdump(t, l.Borea, testbed.Device, "udp")
	labtest.Await(t, "the relay to take over", func() bool { return labtest.Info(t, d).TX.Path == api.PathRelay })
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	testbed.AwaitPaths(t, d, api.PathKernel)
}
