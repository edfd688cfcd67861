package session

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/policy"
)

const mine = "192.0.2.7 50000 10.9.0.1 22"

func parse(t *testing.T, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

// A rule comes in front if a packet of the session would be faulted, and only then. The packets
// come to the device if they leave by its interface, and in mode all those that arrive do in
// any case.
func TestProtect(t *testing.T) {
	const here, away, all = "auto", "auto, by another interface", "all, by another interface"
	for _, test := range []struct{ session, way, tx, rx, rules, want string }{
		{mine, here, "percent 0", "pass", "", "ssh-session"},
		{mine, here, "pass", "delay 1s", "", "ssh-session"},
		{mine, here, "pass", "pass", "", ""},
		{mine, away, "percent 0", "percent 0", "all: any both percent 0\n", ""},
		{mine, all, "percent 0", "pass", "", ""},
		{mine, all, "pass", "percent 0", "", "ssh-session"},
		{mine, here, "pass", "pass", "all: any both percent 0\n", "ssh-session"},
		{mine, all, "pass", "pass", "all: any tx percent 0\n", ""},
		{mine, "none", "pass", "pass", "all: any rx percent 0\n", ""},
		{mine, here, "percent 0", "percent 0", "ssh: tcp port 22 both pass\n", ""},
		{mine, here, "pass", "pass", "other: host 192.0.2.8 both percent 0\n", ""},
		{mine, here, "pass", "pass", "big: greater 1000 tx percent 0\n", "ssh-session"},
		{mine, here, "pass", "pass", "peer: src host 192.0.2.7 rx percent 0\n", "ssh-session"},
		{mine, here, "pass", "pass", "peer: src host 192.0.2.7 tx percent 0\n", ""},
		{mine, here, "percent 0", "pass", "ssh-session: udp both pass\n", "ssh-session-2"},
		{mine, here, "percent 0", "pass", "ssh-session: tcp host 192.0.2.7 port 50000 both pass\n", ""},
		{"fd00::7 50000 fd00::1 22", here, "percent 0", "pass", "six: ip6 both pass\n", ""},
		{"fd00::7 50000 fd00::1 22", here, "percent 0", "pass", "four: ip both pass\n", "ssh-session"},
		{"::ffff:192.0.2.7 50000 ::ffff:10.9.0.1 22", here, "pass", "pass", "peer: dst host 192.0.2.7 tx percent 0\n", "ssh-session"},
	} {
		rules, err := policy.ParseRules(test.rules, "rules")
		if err != nil {
			t.Fatal(err)
		}
		mode, _, _ := strings.Cut(test.way, ",")
		w := Way{
			Receive: mode, TX: parse(t, test.tx), RX: parse(t, test.rx),
			Through: func(to, _ netip.Addr) bool {
				return !strings.Contains(test.way, "another") && strings.HasSuffix(to.String(), "7")
			},
		}
		with, err := w.Protect(&test.session, rules)
		got := ""
		if len(with) > len(rules) {
			got = with[0].Name
		}
		if err != nil || got != test.want || len(with) > len(rules)+1 {
			t.Errorf("%+v: rule %q, %v, want %q", test, got, err, test.want)
			continue
		}
		if again, err := w.Protect(&test.session, with); len(again) != len(with) || err != nil {
			t.Errorf("%+v: protected twice: %v, %v", test, again, err)
		}
		if _, err := policy.ParseRules(with.String(), "rules"); err != nil {
			t.Errorf("%+v: %v", test, err)
		}
	}
	if rules, err := (Way{}).Protect(nil, nil); rules != nil || err != nil {
		t.Errorf("without a session: %v, %v", rules, err)
	}
	bad := "22"
	if _, err := (Way{}).Protect(&bad, nil); err == nil {
		t.Error("a bad session is taken")
	}
}
