package owner

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestOwnerRules: what a rule of another routing table sends through insane finds its
// neighbour there and is answered there, in both families, although the main table knows
// nothing of it. With a strict reverse path check, either link may be the one that accepts.
func TestOwnerRules(t *testing.T) {
	testbed.RequireProgram(t, "ping")
	b := newOwners(t)
	for _, strict := range []string{"0", "1"} {
		b.Sysctl(t, b.Borea, "ipv4/conf/all/rp_filter", strict)
		rules(t, b, strict)
	}
}

func rules(t *testing.T, b *testbed.Bed, strict string) {
	for _, family := range families {
		v := fmt.Sprintf("-%d", family)
		ip(t, b, v, "route", "replace", "default", "dev", testbed.Device, "src", slaveAddrs[family].String(), "table", "100")
		for _, tt := range []struct{ name, rule, ping string }{
			{"protocol", map[int]string{4: "ipproto icmp", 6: "ipproto ipv6-icmp"}[family], ""},
			{"mark", "fwmark 7", "-m 7"},
			{"class", "tos 0x10", "-Q 0x10"},
		} {
			t.Run(fmt.Sprintf("%s/IPv%d/rp_filter=%s", tt.name, family, strict), func(t *testing.T) {
				rule := append([]string{v, "rule", "add", "to", otherHost[family].String(), "lookup", "100"}, strings.Fields(tt.rule)...)
				ip(t, b, rule...)
				defer func() { rule[2] = "del"; ip(t, b, rule...) }()
				ip(t, b, "neigh", "flush", "dev", testbed.Device)
				before := b.AwaitState(t, anyState)
				args := append([]string{"-n", "-q", "-c", "3", "-i", "0.01", "-W", "5", otherHost[family].String()}, strings.Fields(tt.ping)...)
				labtest.Run(t, b.Borea, "ping", args...)
				b.AwaitState(t, func(i api.Info) bool { // the pings, and the answers to them
					return i.TX.Stats.Offered.Packets >= before.TX.Stats.Offered.Packets+3 &&
						i.RX.Stats.Relayed.Packets >= before.RX.Stats.Relayed.Packets+3
				})
				if known := labtest.Run(t, b.Borea, "ip", v, "neigh", "show", otherHost[family].String(), "dev", testbed.Device); !strings.Contains(known, "lladdr") {
					t.Errorf("insane does not know its neighbour: %q", known)
				}
			})
		}
	}
}
