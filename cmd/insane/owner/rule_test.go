package owner

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// TestOwnerRules: what a rule of another routing table sends through insane finds its
// neighbour there, in both families, although the main table knows nothing of it.
func TestOwnerRules(t *testing.T) {
	testbed.RequireProgram(t, "ping")
	b := newOwners(t)
	for _, family := range families {
		v := fmt.Sprintf("-%d", family)
		ip(t, b, v, "route", "add", "default", "dev", testbed.Device, "table", "100")
		for _, tt := range []struct{ name, rule, ping string }{
			{"protocol", map[int]string{4: "ipproto icmp", 6: "ipproto ipv6-icmp"}[family], ""},
			{"mark", "fwmark 7", "-m 7"},
			{"class", "tos 0x10", "-Q 0x10"},
		} {
			t.Run(fmt.Sprintf("%s/IPv%d", tt.name, family), func(t *testing.T) {
				rule := append([]string{v, "rule", "add", "to", otherHost[family].String(), "lookup", "100"}, strings.Fields(tt.rule)...)
				ip(t, b, rule...)
				defer func() { rule[2] = "del"; ip(t, b, rule...) }()
				ip(t, b, "neigh", "flush", "dev", testbed.Device)
				sent := b.AwaitState(t, anyState).TX.Stats.Offered.Packets
				args := append([]string{"-n", "-q", "-c", "3", "-i", "0.01", "-W", "5", otherHost[family].String()}, strings.Fields(tt.ping)...)
				labtest.Run(t, b.Borea, "ping", args...)
				if now := b.AwaitState(t, anyState).TX.Stats.Offered.Packets; now < sent+3 {
					t.Errorf("%d packets went through insane, want the pings", now-sent)
				}
				if known := labtest.Run(t, b.Borea, "ip", v, "neigh", "show", otherHost[family].String(), "dev", testbed.Device); !strings.Contains(known, "lladdr") {
					t.Errorf("insane does not know its neighbour: %q", known)
				}
			})
		}
	}
}
