package owner

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// quiet is a way to send packets so that nothing comes back.
type quiet struct {
	args  []string // of the daemon
	setup []string // a command of borea
	far   []string // of morgana
	cure  []string // of morgana; nil: there is none
	guest string   // address of a third host behind borea, which sends in place of borea
	to    string   // addresses
	kind  string   // of the warning; "": none

	answered bool // answers come in through the device
}

var quiets = map[string]quiet{
	"nobody": {args: []string{"--route", "10.9.0.77", "--route", "10.9.0.2"}, to: "10.9.0.77 10.9.0.2", kind: api.WarnNoNeighbour,
		cure: []string{"ip", "address", "add", "10.9.0.77/32", "dev", lab.Link}},
	"no gateway": {setup: []string{"ip", "route", "add", "198.51.100.7", "dev", testbed.Device, "src", "10.9.0.1"},
		args: []string{"--address", "10.8.0.1/24"}, to: "198.51.100.7", kind: api.WarnNoGateway},
	"the other host": {args: []string{"--route", "10.9.0.2"}, to: "10.9.0.2", kind: api.WarnNoAnswer,
		far:  []string{"ip", "route", "add", "blackhole", "10.9.0.1"},
		cure: []string{"ip", "route", "del", "blackhole", "10.9.0.1"}},
	"a container": {args: []string{"--route", "10.9.0.2"}, to: "10.9.0.2", kind: api.WarnForeignSource, guest: "172.17.0.2/24",
		setup: []string{"sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward && ip address add 172.17.0.1/24 dev port0"},
		cure:  []string{"ip", "route", "add", "172.17.0.0/24", "via", "10.9.0.1"}},
	"IPv6":       {args: []string{"--route", "fd00:9::77", "--path", "relay"}, to: "fd00:9::77", kind: api.WarnNoNeighbour},
	"the policy": {args: []string{"--route", "10.9.0.2", "--policy", "percent 0"}, to: "10.9.0.2"},
	"the firewall of the host": {args: []string{"--route", "10.9.0.2"}, to: "10.9.0.2", answered: true,
		setup: []string{"nft", "add table ip fw; add chain ip fw in { type filter hook input priority 0; }; add rule ip fw in iifname " + testbed.Device + " drop"}},
}

// TestSilence: packets are sent for some seconds and nothing comes back, or one neighbour
// does not answer while another does. insanely, the JSON and the metrics warn and name the
// cause, until an answer comes. They do not warn if the policy drops everything, or if answers
// come in, whatever the host does with them.
func TestSilence(t *testing.T) {
	testbed.RequireProgram(t, "ping", "nft")
	for name, q := range quiets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := labtest.New(t)
			d := labtest.StartDaemon(t, l, append([]string{"--slave", lab.Link}, q.args...)...)
			q.send(t, l)
			if q.kind == "" {
				staysQuiet(t, d, q.answered)
				return
			}
			labtest.Await(t, "the warning "+q.kind, func() bool { return labtest.Info(t, d).Warns(q.kind) })
			tells(t, l, d, q.kind)
			if q.cure != nil {
				labtest.Run(t, l.Morgana, q.cure[0], q.cure[1:]...)
				labtest.Await(t, "an answer", func() bool { return len(labtest.Info(t, d).Warnings) == 0 })
			}
		})
	}
}

// send prepares the hosts and pings until the test ends.
func (q quiet) send(t *testing.T, l *lab.Lab) {
	t.Helper()
	from := l.Borea
	if q.guest != "" {
		from = testbed.NewGuest(t, l, "port0", q.guest)
	}
	for h, command := range map[*lab.Host][]string{l.Borea: q.setup, l.Morgana: q.far} {
		if command != nil {
			labtest.Run(t, h, command[0], command[1:]...)
		}
	}
	if q.guest != "" {
		labtest.Run(t, from, "ip", "route", "add", "default", "via", "172.17.0.1")
	}
	for _, to := range strings.Fields(q.to) {
		ping := from.Command(context.Background(), "ping", "-q", "-n", "-i", "0.2", "-W", "1", to)
		if err := ping.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = ping.Process.Kill()
			_ = ping.Wait()
		})
	}
}

// tells fails unless insanely and the metrics have one warning, of this kind.
func tells(t testing.TB, l *lab.Lab, d *lab.Daemon, kind string) {
	t.Helper()
	shown, err := d.Command(t.Context(), "insanely").CombinedOutput()
	if err != nil || strings.Count(string(shown), "\nwarning ") != 1 {
		t.Errorf("insanely: %v\n%s", err, shown)
	}
	metrics := labtest.Run(t, l.Borea, "curl", "-sS", "--abstract-unix-socket", strings.TrimPrefix(d.Socket, "@"), "http://insane/metrics")
	for _, k := range api.WarningKinds() {
		want := 0
		if k == kind {
			want = 1
		}
		if line := fmt.Sprintf("insane_warning{device=%q,kind=%q} %d\n", testbed.Device, k, want); !strings.Contains(metrics, line) {
			t.Errorf("no %q in the metrics", line)
		}
	}
}

// staysQuiet fails if there is a warning while many packets are sent, for longer than a
// silence takes to be told, or if answers come in or not, other than answered says.
func staysQuiet(t testing.TB, d *lab.Daemon, answered bool) {
	t.Helper()
	labtest.Await(t, "5 s of pings", func() bool {
		i := labtest.Info(t, d)
		if len(i.Warnings) > 0 {
			t.Fatalf("%+v", i.Warnings)
		}
		if came := i.RX.Stats.Relayed.Packets; i.TX.Stats.Offered.Packets >= 25 && came >= 20 != answered {
			t.Fatalf("%d packets came", came)
		}
		return i.TX.Stats.Offered.Packets >= 25
	})
}
