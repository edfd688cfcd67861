package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// watched is how many packets a test sends while somebody watches, and watchedAtOnce
// how many of them before it waits: few enough for tcpdump to see each.
const (
	watched       = 320
	watchedAtOnce = 16
)

// newWatched is a testbed whose path is the kernel as long as nobody watches.
func newWatched(t testing.TB) *testbed {
	t.Helper()
	b := newTestbed(t, api.PathKernel)
	b.path = api.PathAuto
	return b
}

// awaitPath waits until the device sends by a path, for a reason that has a word in it.
func (b *testbed) awaitPath(t testing.TB, path, reason string) api.Info {
	t.Helper()
	return b.awaitState(t, func(i api.Info) bool {
		return i.TX.Path == path && strings.Contains(i.TX.PathReason, reason) && i.Path == path
	})
}

// watchable sends some packets through the device, half of which it drops.
func (b *testbed) watchable(t testing.TB, seed uint64) api.Stats {
	t.Helper()
	program, a := b.begin(t, "percent 50", seed)
	f, c := b.newFlow(t, 4), cargo{count: watched, size: always(36)}
	c.send = func(from, to int) {
		for ; from < to; from += watchedAtOnce {
			f.sendPlain(t, c, from, min(from+watchedAtOnce, to))
			a.await(t, min(from+watchedAtOnce, to))
		}
	}
	f.carry(t, a, program, c)
	return a.stats(t)
}

// TestPathStepsAside: whoever watches what is sent into the interface, as tcpdump
// does, sees each packet before any is dropped, since the relay takes over as long as
// that lasts. What arrives can be seen on either path, so that path stays.
func TestPathStepsAside(t *testing.T) {
	requireProgram(t, "tcpdump")
	b := newWatched(t)
	for i, tt := range []struct {
		link   string
		flags  []string
		reason string
		shows  string
	}{
		{device, nil, "promiscuous", `(?m)^.*UDP, length 36$`},
		{device, []string{"-p"}, "packet socket", `(?m)^.*UDP, length 36$`},
		{"any", nil, "packet socket", `(?m)^.* ` + device + ` +(?:In|Out) .*UDP, length 36$`},
	} {
		t.Run(strings.Join(append(tt.flags, tt.link), " "), func(t *testing.T) {
			b.awaitPath(t, api.PathKernel, "")
			c, out := tcpdump(t, b.Borea, tt.link, "udp", tt.flags...)
			d := &dump{c, out, tt.link, regexp.MustCompile(tt.shows)}
			if now := b.awaitPath(t, api.PathRelay, tt.reason); now.RX.Path != api.PathKernel {
				t.Errorf("what arrives takes the path %s (%s)", now.RX.Path, now.RX.PathReason)
			}
			b.checkShown(t, tt.reason)
			sent := b.watchable(t, uint64(200+i))
			back := b.back()
			back.path = api.PathKernel
			received := back.watchable(t, uint64(210+i))
			d.check(t, int(sent.Offered.Packets+received.Relayed.Packets))
			b.awaitPath(t, api.PathKernel, "")
			b.checkFast(t)
		})
	}
}

// checkShown fails unless insanely shows that the relay is the path, and why.
func (b *testbed) checkShown(t testing.TB, reason string) {
	t.Helper()
	out := run(t, b.Borea, "insanely", "--socket", b.daemon.Socket)
	if !regexp.MustCompile(`(?m)^path +relay: .*` + regexp.QuoteMeta(reason)).MatchString(out) {
		t.Errorf("insanely does not show the path:\n%s", out)
	}
}

// checkFast fails unless the kernel carries what is sent.
func (b *testbed) checkFast(t testing.TB) {
	t.Helper()
	before := b.counters(t, b.Borea, device).TxPackets
	b.watchable(t, 220)
	if n := b.counters(t, b.Borea, device).TxPackets - before; n != 0 {
		t.Errorf("%d of %d packets went by the relay", n, watched)
	}
}

// TestPathQdisc: whoever shapes what is sent into the interface has it shaped.
func TestPathQdisc(t *testing.T) {
	b := newWatched(t)
	for _, qdisc := range []string{"pfifo", "tbf rate 1gbit burst 64kb latency 50ms"} {
		kind, _, _ := strings.Cut(qdisc, " ")
		t.Run(kind, func(t *testing.T) {
			b.awaitPath(t, api.PathKernel, "")
			run(t, b.Borea, "tc", strings.Fields("qdisc add dev "+device+" root "+qdisc)...)
			b.awaitPath(t, api.PathRelay, "queueing discipline "+kind)
			b.watchable(t, 230)
			shown := numbers(t, run(t, b.Borea, "tc", "-s", "qdisc", "show", "dev", device), `Sent \d+ bytes (\d+) pkt`)
			if shown[0] < watched {
				t.Errorf("the queueing discipline had %d packets, want %d", shown[0], watched)
			}
			run(t, b.Borea, "tc", "qdisc", "del", "dev", device, "root")
			b.awaitPath(t, api.PathKernel, "")
			b.checkFast(t)
		})
	}
}

// TestPathInBridge: a bridge has its ports promiscuous, and is no one who watches.
func TestPathInBridge(t *testing.T) {
	requireProgram(t, "tcpdump")
	t.Parallel()
	l := newLab(t)
	secondSubnet(t, l)
	guest := newGuest(t, l, "port0", "10.8.0.5/24")
	d := newDaemon(t, l, "--slave", lab.Link, "--path", api.PathKernel)
	newBridge(t, l, "br1", "port0")
	run(t, l.Borea, "ip", "link", "set", device, "master", "br1", "up")
	furnishLink(t, l.Borea, "br1", "10.8.0.1/24")
	awaitCarrier(t, l, true)
	awaitPromiscuous(t, l, true)
	set(t, d, api.Change{Receive: new(api.ReceiveAll)})
	pingsAll(t, guest, "10.8.0.2")
	pingsAll(t, l.Borea, "10.8.0.2")
	keepNeighbours(t, l.Borea, l.Morgana, guest)
	awaitPaths(t, d, api.PathKernel)
	before := linkOf(t, l.Borea, device).Attrs().Statistics
	faults(t, d, "percent 50", "percent 60")
	for _, w := range []way{
		{guest, l.Morgana, "10.8.0.2", 0.5}, {l.Morgana, guest, "10.8.0.5", 0.6},
		{l.Borea, l.Morgana, "10.8.0.2", 0.5}, {l.Morgana, l.Borea, "10.8.0.1", 0.6},
	} {
		w.check(t)
	}
	time.Sleep(2 * time.Second) // in which the device looks several times
	awaitPaths(t, d, api.PathKernel)
	after := linkOf(t, l.Borea, device).Attrs().Statistics
	if tx, rx := after.TxPackets-before.TxPackets, after.RxPackets-before.RxPackets; tx > perWay/10 || rx > perWay/10 {
		t.Errorf("%d packets went by the relay to the slave, %d to the bridge", tx, rx)
	}
	balanced(t, d)

	c, _ := tcpdump(t, l.Borea, device, "udp")
	eventually(t, "the relay to take over", func() bool { return info(t, d).TX.Path == api.PathRelay })
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	awaitPaths(t, d, api.PathKernel)
}

// awaitPaths waits until both directions have a path.
func awaitPaths(t testing.TB, d *lab.Daemon, path string) {
	t.Helper()
	var i api.Info
	defer func() {
		if t.Failed() {
			t.Logf("tx %s (%s), rx %s (%s)", i.TX.Path, i.TX.PathReason, i.RX.Path, i.RX.PathReason)
		}
	}()
	eventually(t, fmt.Sprintf("the path %s", path), func() bool {
		i = info(t, d)
		return i.TX.Path == path && i.RX.Path == path
	})
}
