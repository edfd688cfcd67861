package host

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// giver has the routes of a device, in a namespace with the slave eth0.
type giver struct {
	GivenRoutes
	Wanted []netip.Prefix
	t      *testing.T
	l      *Links
	tap    device
	slave  int
	log    bytes.Buffer
}

// newGiver has routes to list. Nothing is put before the first look.
func newGiver(t *testing.T, list ...string) *giver {
	t.Helper()
	l, tap, slave := newRouted(t)
	g := &giver{t: t, l: l, tap: tap, slave: slave.Index}
	for _, text := range list {
		g.Wanted = append(g.Wanted, netip.MustParsePrefix(text))
	}
	return g
}

// look does what a pass of the device does.
func (g *giver) look(change func(*RouteState)) (changed bool, err error) {
	g.t.Helper()
	var seen []RouteState
	for _, dst := range g.Wanted {
		s := RouteState{Lost: g.tap.Lost(dst)}
		s.Want, s.Way = g.l.Borrow(dst, g.slave)
		if change != nil {
			change(&s)
		}
		seen = append(seen, s)
	}
	return g.Keep(g.tap.Interface, seen, slog.New(slog.NewTextHandler(&g.log, nil)))
}

// keeps looks twice: the second time there is nothing to do.
func (g *giver) keeps() {
	g.t.Helper()
	for i := range 2 {
		changed, err := g.look(nil)
		must(g.t, err)
		if i == 1 && changed {
			g.t.Error("a look at what has just been put changes it")
		}
	}
}

// table returns the main table, without what the kernel has made.
func table(t *testing.T) (list []string) {
	t.Helper()
	for _, family := range []string{"-4", "-6"} {
		out, err := exec.CommandContext(t.Context(), "ip", "-o", family, "route").Output()
		must(t, err)
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "fe80::") && !strings.HasPrefix(line, "ff00::") {
				list = append(list, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	return list
}

// through returns the link through which packets to an address leave; "" if there is none.
func through(t *testing.T, l *Links, addr string) string {
	t.Helper()
	found, err := l.h.RouteGet(netip.MustParseAddr(addr).AsSlice())
	if errors.Is(err, unix.ENETUNREACH) {
		return ""
	}
	must(t, err)
	link, err := l.ByIndex(found[0].LinkIndex)
	must(t, err)
	return link.Name
}

// Whatever routes the host has, the device's comes before them, they all stay, and all is as
// before when the interface is gone.
func TestRoutesComeFirst(t *testing.T) {
	for _, c := range []struct {
		host string // what the host has beside the routes of newRouted
		dst  string
		to   string // addresses that are routed through the device
	}{
		{"", "0.0.0.0/0", "203.0.113.7 198.51.100.7"},
		{"route add default via 10.9.0.254 metric 100", "0.0.0.0/0", "203.0.113.7"},
		{"route append default via 10.9.0.253", "0.0.0.0/0", "203.0.113.7"},
		{"route replace default nexthop via 10.9.0.253 nexthop via 10.9.0.252", "0.0.0.0/0", "203.0.113.7"},
		{"route replace default via inet6 fe80::7 dev eth0", "0.0.0.0/0", "203.0.113.7"},
		{"route replace default dev eth0", "0.0.0.0/0", "203.0.113.7"},
		{"", "10.9.0.0/24", "10.9.0.2 10.9.0.200"},
		{"", "192.168.7.0/24", "192.168.7.7"},
		{"route add 10.9.0.2 dev eth0", "10.9.0.2/32", "10.9.0.2"},
		{"route add 10.1.0.0/16 nexthop via 10.9.0.3 nexthop via 10.9.0.4", "10.1.0.0/16", "10.1.0.1 10.1.0.2 10.1.0.3"},
		{"route add blackhole 10.1.0.0/16", "10.1.0.0/16", "10.1.0.1"},
		{"route add 10.1.0.0/16 dev eth0 metric 7", "10.1.0.0/16", "10.1.0.1"},
		{"", "::/0", "2001:db8:7::7"},
		{"route add ::/0 via fd00:9::253 metric 5", "::/0", "2001:db8:7::7"},
		{"route append ::/0 via fd00:9::253", "::/0", "2001:db8:7::7"},
		{"route add ::/0 via fd00:9::253 metric 1", "::/0", "2001:db8:7::7 fd01::1"},
		{"route add ::/0 via fe80::1 dev eth0 metric 100", "::/0", "2001:db8:7::7"},
		{"", "fd00:9::/64", "fd00:9::2 fd00:9::ffff"},
		{"", "fd00:8::/64", "fd00:8::8"},
		{"route add fd00:9::2 dev eth0 metric 5", "fd00:9::2/128", "fd00:9::2"},
		{"route add blackhole fd00:1::/64", "fd00:1::/64", "fd00:1::1"},
		{"route add fd00:1::/64 dev eth0 metric 1", "fd00:1::/64", "fd00:1::1 fd00:1:0:0:8000::1"},
	} {
		t.Run(c.dst+" "+c.host, func(t *testing.T) {
			g := newGiver(t, c.dst)
			if c.host != "" {
				ip(t, c.host)
			}
			before := table(t)
			g.keeps()
			for addr := range strings.FieldsSeq(c.to) {
				if got := through(t, g.l, addr); got != "insane" {
					t.Errorf("%s leaves through %s", addr, got)
				}
			}
			during := table(t)
			for _, line := range before {
				if !slices.Contains(during, line) {
					t.Errorf("the host has lost %q: %q", line, during)
				}
			}
			must(t, g.tap.Close())
			await(t, "the routes as they were", func() bool { return slices.Equal(table(t), before) })
		})
	}
}

// A route that nothing can come before is refused in one line that says what to do, and
// nothing is left.
func TestRouteThatComesFirst(t *testing.T) {
	g := newGiver(t, "fd00:9::2/128")
	ip(t, "route add fd00:9::2 dev eth0 metric 1")
	before := table(t)
	_, err := g.look(nil)
	const want = "add route to fd00:9::2/128: the host has a route to just that destination with metric 1, " +
		"and none can come before it: give that one a higher metric"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if after := table(t); !slices.Equal(before, after) {
		t.Errorf("%q became %q", before, after)
	}
	ip(t, "route del fd00:9::2\nroute add fd00:9::2 dev eth0 metric 2")
	g.keeps()
	if got := through(t, g.l, "fd00:9::2"); got != "insane" {
		t.Errorf("with a higher metric it leaves through %s", got)
	}
}

// The kernel takes another route if the gateway of the first one does not answer, or if its
// entry is merely old. The packets must not leave through the slave then.
func TestSilentGateways(t *testing.T) {
	g := newGiver(t, "0.0.0.0/0", "::/0", "fd00:1::/64")
	ip(t, "route add fd00:1::/64 via fd00:9::3")
	g.keeps()
	for _, state := range []string{"stale", "failed"} {
		for _, gateway := range []string{"10.9.0.254", "fd00:9::254", "fd00:9::3"} {
			ip(t, "neigh replace "+gateway+" lladdr 02:00:00:00:00:01 dev insane nud stale")
			if state == "failed" {
				ip(t, "neigh replace "+gateway+" dev insane nud failed")
			}
		}
		for i := range 8 {
			for _, addr := range []string{"203.0.113.%d", "2001:db8:7::%d", "fd00:1::%d"} {
				to := fmt.Sprintf(addr, i+1)
				if got := through(t, g.l, to); got != "insane" {
					t.Errorf("with a gateway that is %s, %s leaves through %s", state, to, got)
				}
			}
		}
	}
}

// deviceRoutes returns the routes of the device, in the order of the kernel.
func deviceRoutes(t *testing.T) (list []string) {
	t.Helper()
	for _, line := range table(t) {
		if strings.Contains(line, "dev insane") {
			list = append(list, strings.NewReplacer(" proto 73", "", " scope link", "", " pref medium", "", " onlink", "").Replace(line))
		}
	}
	return list
}

// A route follows the gateway and the addresses of the slave, also to and fro, and leaves
// nothing of what it was.
func TestRoutesFollowTheSlave(t *testing.T) {
	g := newGiver(t, "10.9.0.2/32", "10.6.0.0/16", "fd00:9::2/128", "fd00:6::/64")
	ip(t, "address add fd00:9::77/64 dev eth0 nodad")
	for _, c := range []struct{ change, want string }{
		{"route add 10.6.0.0/16 via 10.9.0.3\nroute add fd00:6::/64 via fd00:9::3",
			"10.6.0.0/16 via 10.9.0.3 dev insane src 10.9.0.1; 10.9.0.2 dev insane src 10.9.0.1; " +
				"fd00:6::/64 via fd00:9::3 dev insane metric 1; fd00:6::/64 dev insane metric 2; fd00:9::2 dev insane metric 1"},
		{"route replace 10.6.0.0/16 via 10.9.0.4\nroute replace fd00:6::/64 via fd00:9::4",
			"10.6.0.0/16 via 10.9.0.4 dev insane src 10.9.0.1; 10.9.0.2 dev insane src 10.9.0.1; " +
				"fd00:6::/64 via fd00:9::4 dev insane metric 1; fd00:6::/64 dev insane metric 2; fd00:9::2 dev insane metric 1"},
		{"route del 10.6.0.0/16 dev eth0\nroute del 10.6.0.0/16 dev eth0\nroute del fd00:6::/64 via fd00:9::4 dev eth0\nroute del default\nroute del ::/0",
			"10.6.0.0/16 dev insane src 10.9.0.1; 10.9.0.2 dev insane src 10.9.0.1; " +
				"fd00:6::/64 dev insane metric 1; fd00:9::2 dev insane metric 1"},
		{"route prepend 10.6.0.0/16 via 10.9.0.3 src 10.9.0.77\nroute prepend 10.9.0.2 dev eth0 src 10.9.0.77\nroute add fd00:6::/64 via fd00:9::3",
			"10.6.0.0/16 via 10.9.0.3 dev insane src 10.9.0.77; 10.9.0.2 dev insane src 10.9.0.77; " +
				"fd00:6::/64 via fd00:9::3 dev insane metric 1; fd00:6::/64 dev insane metric 2; fd00:9::2 dev insane metric 1"},
	} {
		ip(t, c.change)
		g.keeps()
		got := deviceRoutes(t)
		if want := strings.Split(c.want, "; "); !slices.Equal(got, want) {
			t.Errorf("after %q:\n got %q\nwant %q", c.change, got, want)
		}
	}
}

// The kernel removes a route with its source address, and somebody replaces one: it is put
// back. One that somebody deletes is not, until the interface was down.
func TestRoutesThatGo(t *testing.T) {
	g := newGiver(t, "10.9.0.2/32", "0.0.0.0/0", "fd00:9::2/128", "::/0")
	g.keeps()
	want := deviceRoutes(t)
	if len(want) != 5 {
		t.Fatalf("%q at first", want)
	}
	for _, change := range []string{
		"address del 10.9.0.1/24 dev eth0\naddress add 10.9.0.1/24 dev eth0\nroute add default via 10.9.0.254",
		"route replace default via 10.9.0.253 dev eth0",
		"route prepend default via 10.9.0.252 dev eth0",
		"route prepend 10.9.0.2 dev eth0",
	} {
		ip(t, change)
		if through(t, g.l, "10.9.0.2") == "insane" && through(t, g.l, "203.0.113.7") == "insane" {
			t.Fatalf("%q does no harm: the test measures nothing", change)
		}
		g.keeps()
		if through(t, g.l, "10.9.0.2") != "insane" || through(t, g.l, "203.0.113.7") != "insane" {
			t.Errorf("after %q packets leave past the device: %q", change, table(t))
		}
		if got := deviceRoutes(t); len(got) != len(want) {
			t.Errorf("after %q:\n got %q\nwant %q", change, got, want)
		}
	}
	want = deviceRoutes(t)
	ip(t, "route del fd00:9::2 dev insane\nroute del ::/0 dev insane\nroute del 10.9.0.2 dev insane")
	gone := func(s *RouteState) { s.Deleted = s.Want.Dst != g.Wanted[1] }
	if changed, err := g.look(gone); err != nil || !changed {
		t.Errorf("after deletions: changed %v, %v", changed, err)
	}
	g.keeps()
	if got := deviceRoutes(t); len(got) != 1 || got[0] != want[0] {
		t.Errorf("after deletions there are %q, want the default route of IPv4 only", got)
	}
	if n := strings.Count(g.log.String(), "was deleted"); n != 3 {
		t.Errorf("%d deletions are logged, want 3:\n%s", n, g.log.String())
	}
	ip(t, "link set insane down\nlink set insane up")
	g.forget(false)
	g.keeps()
	if got := deviceRoutes(t); !slices.Equal(got, want) {
		t.Errorf("after down and up:\n got %q\nwant %q", got, want)
	}
}

// A default route is there as long as the slave has one, by family. It stays while the slave
// is down.
func TestDefaultRouteWaits(t *testing.T) {
	g := newGiver(t, "0.0.0.0/0", "::/0")
	for _, step := range []struct {
		change string
		want   int // routes
	}{
		{"route del default dev eth0\nroute del ::/0 dev eth0", 0},
		{"route add default via 10.9.0.253", 1},
		{"route add ::/0 via fe80::1 dev eth0", 3},
		{"route del default via 10.9.0.253 dev eth0", 2},
		{"route add default via 10.9.0.253", 3}, // nothing of the device is in the way
	} {
		ip(t, step.change)
		g.keeps()
		if got := deviceRoutes(t); len(got) != step.want {
			t.Errorf("after %q: %q, want %d", step.change, got, step.want)
		}
	}
	want := deviceRoutes(t)
	_, err := g.look(func(s *RouteState) { *s = RouteState{Want: Route{Dst: s.Want.Dst}, Blind: true} })
	must(t, err)
	if got := deviceRoutes(t); !slices.Equal(got, want) {
		t.Errorf("while the slave is down: %q, want %q", got, want)
	}
	if n := strings.Count(g.log.String(), "\n"); n != 7 {
		t.Errorf("%d lines, want one for each change of a family, and one for the slave:\n%s", n, g.log.String())
	}
}

// Two devices with routes to one destination do not contend for the first place.
func TestRoutesOfTwoDevices(t *testing.T) {
	g := newGiver(t, "0.0.0.0/0")
	g.keeps()
	second := *g
	second.given = nil
	second.tap = openTAP(t, g.l, "second")
	must(t, second.tap.SetUp())
	second.keeps()
	for _, one := range []*giver{g, &second} {
		if changed, err := one.look(nil); err != nil || changed {
			t.Errorf("changed %v, %v, although nothing has happened", changed, err)
		}
	}
	if got := through(t, g.l, "203.0.113.7"); got != "second" {
		t.Errorf("packets leave through %s, want the last one", got)
	}
}

// The kernel refuses routes after somebody has set the interface down, which is no error; on an
// interface that is up it is one.
func TestRefusedWhileDown(t *testing.T) {
	g := newGiver(t, "10.9.0.2/32", "fd00:9::2/128")
	link := handleOf(t, g.l, "insane")
	must(t, g.l.h.LinkSetDown(link))
	_, err := g.look(nil)
	if !errors.Is(err, unix.ENETDOWN) || g.tap.unlessDown(err) != nil {
		t.Errorf("down: %v, %v", err, g.tap.unlessDown(err))
	}
	must(t, g.l.h.LinkSetUp(link))
	if g.tap.unlessDown(err) == nil {
		t.Error("an error on an interface that is up is lost")
	}
	g.keeps()
}
