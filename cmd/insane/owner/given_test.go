package owner

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestGivenRoutesComeFirst: whatever routes the host has to a destination of --route, its
// packets go through insane, both ways. When insane is killed, the host has its own routes as
// before.
func TestGivenRoutesComeFirst(t *testing.T) {
	t.Parallel()
	testbed.RequireProgram(t, "ping")
	for _, tt := range []struct {
		name, host string // routes that borea has, in the syntax of ip(8); those of its networks are there as well
		args, to   string
	}{
		{"container", "-4 default via 10.9.0.2; -6 default via fd00:9::2", "default", "10.66.0.1 fd00:66::1"},
		{"metrics", "-4 default via 10.9.0.2 metric 100; -6 default via fd00:9::2 metric 1", "default", "10.66.0.1 fd00:66::1"},
		{"one family", "-4 default via 10.9.0.2", "default", "10.66.0.1"},
		{"subnets", "", "10.9.0.0/24 fd00:9::/64", "10.9.0.2 fd00:9::2"},
		{"hosts", "-4 10.9.0.2 dev eth0; -6 fd00:9::2 dev eth0 metric 2", "10.9.0.2 fd00:9::2", "10.9.0.2 fd00:9::2"},
		{"ways", "-4 10.66.0.0/16 nexthop via 10.9.0.2 nexthop via 10.9.0.4; -6 fd00:66::/64 nexthop via fd00:9::2 nexthop via fd00:9::4",
			"10.66.0.0/16 fd00:66::/64", "10.66.0.1 fd00:66::1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := labtest.New(t)
			labtest.Run(t, l.Morgana, "ip", "address", "add", "10.66.0.1", "dev", "lo")
			labtest.Run(t, l.Morgana, "ip", "address", "add", "fd00:66::1", "dev", "lo")
			for route := range strings.SplitSeq(tt.host, "; ") {
				if words := strings.Fields(route); len(words) > 0 {
					labtest.Run(t, l.Borea, "ip", append([]string{words[0], "route", "add"}, words[1:]...)...)
				}
			}
			before := testbed.StateOf(t, l.Borea)
			args := []string{"--slave", lab.Link}
			for dst := range strings.FieldsSeq(tt.args) {
				args = append(args, "--route", dst)
			}
			i := testbed.Start(t, l, testbed.SocketPath(t, "insane"), args...).Ready(t)
			for to := range strings.FieldsSeq(tt.to) {
				goesThrough(t, l, i, to)
			}
			i.Kill()
			labtest.Await(t, "the routes as they were", func() bool { return cmp.Equal(testbed.StateNow(t, l.Borea), before) })
		})
	}
}

// goesThrough fails unless an address answers through insane, and does not answer while
// insane drops everything.
func goesThrough(t *testing.T, l *lab.Lab, i *testbed.Instance, to string) {
	t.Helper()
	const count = 5
	was, err := i.Client.Stats(t.Context())
	labtest.Must(t, err)
	// The kernel has one socket for all answers of a processor, also of other hosts: it may be full.
	labtest.Await(t, "answers of "+to, func() bool {
		out, err := l.Borea.Command(t.Context(), "ping", "-n", "-q", "-c", "5", "-i", "0.01", "-W", "1", to).Output()
		return err == nil && strings.Contains(string(out), " 5 received")
	})
	is, err := i.Client.Stats(t.Context())
	labtest.Must(t, err)
	tx, rx := is.TX.Offered.Packets-was.TX.Offered.Packets, is.RX.Offered.Packets-was.RX.Offered.Packets
	if tx < count || rx < count {
		t.Errorf("%d pings of %s are answered: %d packets left through insane, %d came in", count, to, tx, rx)
	}
	_, err = i.Client.Set(t.Context(), api.Change{TX: new("percent 0")})
	labtest.Must(t, err)
	if code, out := labtest.Fails(t, l.Borea, "ping", "-n", "-q", "-c", "2", "-i", "0.01", "-W", "0.3", to); code != 1 {
		t.Errorf("%s answers although insane drops everything: %s", to, out)
	}
	_, err = i.Client.Set(t.Context(), api.Change{TX: new("pass")})
	labtest.Must(t, err)
}

// given are routes and addresses of both families, and where they lead.
var given = []string{"--route", "10.9.0.2", "--route", "fd00:9::2", "--route", "default", "--address", "10.8.0.1/24", "--address", "fd00:8::1/64"}

// newGiven starts a device with what was given. It returns what borea has in the end, each once:
// newer versions of ip show a route with two ways among those of its interface as well.
func newGiven(t *testing.T) (*lab.Lab, *testbed.Instance, func() []string) {
	t.Helper()
	l := labtest.New(t)
	labtest.Run(t, l.Borea, "ip", "route", "add", "default", "via", "10.9.0.2")
	labtest.Run(t, l.Borea, "ip", "route", "add", "::/0", "via", "fd00:9::2", "dev", "eth0")
	i := testbed.Start(t, l, testbed.SocketPath(t, "insane"), append([]string{"--slave", lab.Link}, given...)...).Ready(t)
	return l, i, func() (list []string) {
		for _, what := range []string{"-4 route show dev insane", "-4 route show default", "-6 route show dev insane", "address show dev insane"} {
			out := labtest.Run(t, l.Borea, "ip", append([]string{"-o"}, strings.Fields(what)...)...)
			for line := range strings.Lines(out) {
				line, _, _ = strings.Cut(strings.TrimSpace(line), " linkdown")
				if !strings.Contains(line, "fe80::") && !strings.Contains(line, "ff00::") && !strings.Contains(line, "dev eth0") &&
					!slices.Contains(list, strings.TrimSpace(line)) {
					list = append(list, strings.TrimSpace(line))
				}
			}
		}
		return list
	}
}

// TestGivenIsBack: after the interface or the slave was down, or without IPv6, everything
// that was asked for is there again, of both families, as often as it happens. While the
// interface is down, the log says that its packets are not faulted.
func TestGivenIsBack(t *testing.T) {
	t.Parallel()
	l, i, has := newGiven(t)
	want := has()
	if len(want) != 9 {
		t.Fatalf("at first there are %q", want)
	}
	set := func(words string) {
		labtest.Run(t, l.Borea, "ip", append([]string{"link", "set"}, strings.Fields(words)...)...)
	}
	// When the slave is up again, somebody gives it its addresses and routes again.
	addresses := func() {
		labtest.Run(t, l.Borea, "ip", "address", "replace", "fd00:9::1/64", "dev", lab.Link, "nodad")
		labtest.Run(t, l.Borea, "ip", "route", "replace", "::/0", "via", "fd00:9::2", "dev", "eth0")
	}
	gateway := func() { labtest.Run(t, l.Borea, "ip", "route", "append", "default", "via", "10.9.0.2", "dev", "eth0") }
	for range 3 {
		for _, tt := range []struct {
			what     string
			down, up func()
		}{
			{"the interface", func() { set("insane down") }, func() { set("insane up") }},
			{"IPv6 of the interface", func() { l6(t, l, "insane", "1") }, func() { l6(t, l, "insane", "0") }},
			{"the slave", func() { set("eth0 down") }, func() { set("eth0 up"); addresses(); gateway() }},
			{"an MTU that fits IPv6", func() { set("eth0 mtu 1000") }, func() { set("eth0 mtu 1500"); addresses() }},
		} {
			tt.down()
			labtest.Await(t, "a loss without "+tt.what, func() bool { return !cmp.Equal(has(), want) })
			tt.up()
			labtest.Await(t, "everything again, with "+tt.what, func() bool { return cmp.Equal(has(), want) })
		}
	}
	if log := i.Log.String(); strings.Count(log, "the interface was set down, or IPv6") < 6 {
		t.Errorf("the log does not tell each time that the interface was down or without IPv6:\n%s", log)
	}
}

// l6 disables IPv6 on a link of borea, or enables it.
func l6(t *testing.T, l *lab.Lab, link, disabled string) {
	t.Helper()
	labtest.Run(t, l.Borea, "sysctl", "-qw", "net.ipv6.conf."+link+".disable_ipv6="+disabled)
}

// TestDeletedIsNotBack: what somebody deletes stays deleted, also if events of the kernel are
// lost in a storm. What the interface lost in a storm because it was down is back.
func TestDeletedIsNotBack(t *testing.T) {
	t.Parallel()
	l, i, has := newGiven(t)
	want := has()
	storm := func(meanwhile ...string) {
		i.Signal(syscall.SIGSTOP)
		defer i.Signal(syscall.SIGCONT)
		lo := labtest.LinkOf(t, l.Borea, "lo")
		for n := range 1200 {
			labtest.Must(t, l.Borea.Netlink().LinkSetMTU(lo, 10_000+n%2))
			if n == 600 {
				for _, command := range meanwhile {
					labtest.Run(t, l.Borea, "ip", strings.Fields(command)...)
				}
			}
		}
	}
	storm("route del 10.9.0.2 dev insane", "route del fd00:9::2 dev insane", "route del default dev insane", "route del ::/0 dev insane",
		"address del fd00:8::1/64 dev insane", "address del 10.8.0.1/24 dev insane")
	var left []string
	labtest.Await(t, "an end of what was deleted", func() bool {
		left = has()
		return strings.Count(i.Log.String(), "was deleted") == 4 && len(left) == 0
	})
	// Events that make the device look at everything.
	labtest.Run(t, l.Borea, "ip", "address", "add", "10.7.0.1/32", "dev", "eth0")
	labtest.Run(t, l.Borea, "ip", "link", "set", "eth0", "mtu", "1400")
	labtest.Await(t, "the MTU", func() bool { return labtest.LinkOf(t, l.Borea, "insane").Attrs().MTU == 1400 })
	labtest.Run(t, l.Borea, "ip", "link", "set", "eth0", "mtu", "1500")
	labtest.Await(t, "the MTU", func() bool { return labtest.LinkOf(t, l.Borea, "insane").Attrs().MTU == 1500 })
	// An answer to a change looks at everything, too.
	_, err := i.Client.Set(t.Context(), api.Change{Receive: new(api.ReceiveNone)})
	labtest.Must(t, err)
	if diff := cmp.Diff(left, has()); diff != "" {
		t.Errorf("what was deleted is back (-left +now):\n%s", diff)
	}
	storm("link set insane down", "link set insane up")
	labtest.Await(t, "everything, after down and up", func() bool { return cmp.Equal(has(), want) })
}
