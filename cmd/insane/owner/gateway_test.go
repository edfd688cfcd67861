package owner

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestRedirects: the host follows a gateway that names a better one, for what goes through
// insane as for what does not, and for sockets of any kind.
func TestRedirects(t *testing.T) {
	t.Parallel()
	testbed.RequireProgram(t, "ping")
	l := labtest.New(t)
	for _, key := range []string{"ip_forward=1", "conf.all.send_redirects=1", "conf.eth0.send_redirects=1"} {
		labtest.Run(t, l.Morgana, "sysctl", "-qw", "net.ipv4."+key)
	}
	labtest.Run(t, l.Morgana, "ip", "route", "add", "10.77.0.0/24", "via", "10.9.0.200")
	labtest.Run(t, l.Borea, "ip", "route", "add", "default", "via", "10.9.0.2")
	testbed.Start(t, l, testbed.SocketPath(t, "insane"), "--slave", lab.Link, "--route", "default").Ready(t)
	const better = "02:00:00:00:00:c8"
	labtest.Run(t, l.Morgana, "ip", "neigh", "add", "10.9.0.200", "lladdr", better, "dev", "eth0")
	labtest.Run(t, l.Borea, "ip", "neigh", "add", "10.9.0.200", "lladdr", better, "dev", "insane")
	// The gateway tells one host seldom, so there are several. The kernel notes what it is told for
	// one of the two ways of the route, and one packet in 257 takes the other.
	const hosts, most, tries = 12, 2, 100
	missed := 0
	for n := 1; n <= hosts; n++ {
		source, to := fmt.Sprintf("10.9.0.%d", 10+n), fmt.Sprintf("10.77.0.%d", n)
		labtest.Run(t, l.Borea, "ip", "address", "add", source+"/24", "dev", "eth0")
		told := false
		for try := 0; try < tries && !told; try++ {
			_ = l.Borea.Command(t.Context(), "ping", "-n", "-q", "-c", "1", "-W", "0.01", "-I", source, to).Run() // nobody answers
			told = strings.Contains(labtest.Run(t, l.Borea, "ip", "route", "get", to), "via 10.9.0.200 dev insane")
		}
		if !told {
			missed++
		}
	}
	if missed > most {
		t.Errorf("for %d of %d destinations some packets still go to the old gateway", missed, hosts)
	}
}

// TestDevicesOfOneDestination: of two devices with the same destination, neither takes what the
// other does to its own routes for the wish of a user.
func TestDevicesOfOneDestination(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	route := func(gateway string) {
		labtest.Run(t, l.Borea, "ip", "route", "replace", "default", "via", "10.9.0."+gateway, "dev", "eth0", "metric", "10")
		labtest.Run(t, l.Borea, "ip", "-6", "route", "replace", "default", "via", "fd00:9::"+gateway, "dev", "eth0", "metric", "10")
	}
	leads := func(to, through string) bool {
		return strings.Contains(labtest.Run(t, l.Borea, "ip", "route", "get", to), through)
	}
	route("2")
	first := testbed.Start(t, l, testbed.SocketPath(t, "first"), "--name", "first", "--slave", lab.Link, "--route", "default").Ready(t)
	second := testbed.Start(t, l, testbed.SocketPath(t, "second"), "--name", "second", "--slave", lab.Link, "--route", "default").Ready(t)
	for _, gateway := range []string{"4", "2", "4"} {
		route(gateway)
		labtest.Await(t, "both devices to follow the gateway", func() bool {
			all := labtest.Run(t, l.Borea, "ip", "route", "show") + labtest.Run(t, l.Borea, "ip", "-6", "route", "show")
			for _, way := range []string{"via 10.9.0." + gateway, "via fd00:9::" + gateway} {
				for _, link := range []string{" dev first", " dev second"} {
					if !strings.Contains(all, way+link) {
						return false
					}
				}
			}
			return !leads("10.66.0.1", "dev eth0") && !leads("fd00:66::1", "dev eth0")
		})
	}
	second.Kill()
	labtest.Await(t, "packets through the device that is left", func() bool {
		return leads("10.66.0.1", "dev first") && leads("fd00:66::1", "dev first")
	})
	for _, i := range []*testbed.Instance{first, second} {
		if log := i.Log.String(); strings.Contains(log, "was deleted") {
			t.Errorf("a device believes that somebody has deleted its route:\n%s", log)
		}
	}
}

// TestBypassIsSaid: as long as rules, or narrower routes, lead past insane what was asked for,
// it says so; and else it does not.
func TestBypassIsSaid(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	ip := func(command string) { labtest.Run(t, l.Borea, "ip", strings.Fields(command)...) }
	ip("-4 route add default via 10.9.0.2")
	ip("-6 route add default via fd00:9::2")
	i := testbed.Start(t, l, testbed.SocketPath(t, "insane"), "--slave", lab.Link, "--route", "default", "--route", "10.9.0.2").Ready(t)
	says := func(want int) func() bool {
		return func() bool {
			info, err := i.Client.Info(t.Context())
			labtest.Must(t, err)
			list := slices.DeleteFunc(info.Warnings, func(w api.Warning) bool { return w.Kind != api.WarnBypass })
			return len(list) == want
		}
	}
	if log := i.Log.String(); strings.Contains(log, "unfaulted") || !says(0)() {
		t.Errorf("nothing leads past the device, and it says:\n%s", log)
	}
	ip("-4 route add default via 10.9.0.2 dev eth0 table 100")
	ip("-4 rule add from all lookup 100")
	labtest.Await(t, "the rule to be told, for both IPv4 destinations", says(2))
	ip("-4 rule del from all lookup 100")
	labtest.Await(t, "an end of that", says(0))
	ip("-6 route add 2000::/3 via fd00:9::4")
	labtest.Await(t, "the narrower route to be told", says(1))
	ip("-6 route del 2000::/3")
	labtest.Await(t, "an end of that", says(0))
	ip("-4 route del 10.9.0.2 dev insane")
	labtest.Await(t, "a deleted route to be told", says(1))
	ip("link set insane down")
	ip("link set insane up")
	labtest.Await(t, "an end of that", says(0))
}
