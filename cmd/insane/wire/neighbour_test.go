package wire

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// forget removes the neighbour entry of an address.
func forget(t testing.TB, h *lab.Host, link string, addr netip.Addr) {
	t.Helper()
	n := &netlink.Neigh{LinkIndex: labtest.LinkOf(t, h, link).Attrs().Index, IP: addr.AsSlice()}
	if err := h.Netlink().NeighDel(n); err != nil {
		t.Fatalf("forget %s: %v", addr, err)
	}
}

// TestNeighboursTakeNoNumber: the sender looks for its neighbour again and again, between
// the packets of a run. Exactly those packets arrive that the engine relays, as if nobody had
// asked; what neighbours say is counted apart.
func TestNeighboursTakeNoNumber(t *testing.T) {
	testbed.EachPath(t, func(t *testing.T, path string) {
		for direction, b := range map[string]*testbed.Bed{"tx": testbed.New(t, path), "rx": testbed.NewReceiver(t, path)} {
			for _, family := range []int{4, 6} {
				t.Run(fmt.Sprintf("%s/IPv%d", direction, family), func(t *testing.T) { askOften(t, b, family) })
			}
		}
	})
}

// askOften makes the first packet of each piece wait for an answer. The packets behind it are
// sent afterwards: packets that wait for a neighbour may be overtaken by later ones.
func askOften(t *testing.T, b *testbed.Bed, family int) {
	const count, piece = 200, 20
	f, to, link := b.NewFlow(t, family), b.Address(family), door(b, b.From)
	b.Quiet = testbed.LaterQuiet // reports of groups take no number
	program, a := b.Begin(t, "percent 50", uint64(50+family))
	c := testbed.Cargo{Count: count, Size: testbed.Always(36)}
	c.Send = func(from, end int) {
		for ; from < end; from += piece {
			forget(t, b.From, link, to)
			f.SendPlain(t, c, from, from+1)
			a.Await(t, from+1)
			f.SendPlain(t, c, from+1, from+piece)
		}
	}
	f.Carry(t, a, program, c)
	if n := a.Stats(t).Neighbour.Packets; n < count/piece {
		t.Errorf("%d questions and answers passed, want %d or more", n, count/piece)
	}
}

// TestNeighboursAreFound: most packets are lost both ways from the first one on, and ping
// finds the other host nevertheless: it is told of no error. insanely shows what was spared,
// and spares nothing when told so.
func TestNeighboursAreFound(t *testing.T) {
	t.Parallel()
	testbed.RequireProgram(t, "ping")
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", lab.Link, "--route", l.Morgana.IPv4.String(), "--route", l.Morgana.IPv6.String(),
		"--policy", "percent 10", "--rx-policy", "percent 10", "--seed", "4")
	for _, to := range []netip.Addr{l.Morgana.IPv4, l.Morgana.IPv6} {
		out, _ := l.Borea.Command(t.Context(), "ping", "-n", "-q", "-c", "30", "-i", "0.01", "-W", "0.2", to.String()).CombinedOutput()
		if strings.Contains(string(out), "errors") || !strings.Contains(string(out), "30 packets transmitted") {
			t.Errorf("ping %s:\n%s", to, out)
		}
	}
	i := labtest.Info(t, d)
	if i.TX.Stats.Neighbour.Packets == 0 || i.RX.Stats.Neighbour.Packets == 0 || i.JudgeNeighbours {
		t.Errorf("spared: tx %+v, rx %+v, judged %v", i.TX.Stats.Neighbour, i.RX.Stats.Neighbour, i.JudgeNeighbours)
	}
	out := labtest.Run(t, l.Borea, "insanely", "--socket", d.Socket, "--judge-neighbours", lab.Link, "both", "percent", "0")
	if !strings.Contains(out, "neighbours judged") || !strings.Contains(out, "neighbour  ") {
		t.Errorf("insanely says:\n%s", out)
	}
	forget(t, l.Borea, testbed.Device, l.Morgana.IPv4)
	before := labtest.Info(t, d)
	if _, err := l.Borea.Command(t.Context(), "ping", "-c", "1", "-W", "0.2", l.Morgana.IPv4.String()).CombinedOutput(); err == nil {
		t.Error("an answer came through percent 0")
	}
	labtest.Await(t, "a question that is dropped", func() bool {
		return labtest.Info(t, d).TX.Stats.Dropped[api.DropPolicy].Packets > before.TX.Stats.Dropped[api.DropPolicy].Packets
	})
	time.Sleep(testbed.LaterQuiet)
	if now := labtest.Info(t, d).TX.Stats.Neighbour; now != before.TX.Stats.Neighbour {
		t.Errorf("judged, and %+v were spared", testbed.Minus(now, before.TX.Stats.Neighbour))
	}
}
