package cni

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/skel"
)

// conf reads a configuration as the plugin does.
func conf(t *testing.T, text, args string) config {
	t.Helper()
	c, err := parse(&skel.CmdArgs{StdinData: []byte(text), Args: args})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

// Annotations come before arguments, and these before the configuration. Who asks decides about
// both directions, also by asking for nothing.
func TestWanted(t *testing.T) {
	const none = "none"
	annotations := func(pairs ...string) string {
		m := make(map[string]string)
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		text, _ := json.Marshal(m)
		return `"runtimeConfig":{"io.kubernetes.cri.pod-annotations":` + string(text) + `}`
	}
	for _, tt := range []struct{ conf, args, want string }{
		{``, "", none},
		{annotations("other", "percent 1"), "K8S_POD_NAME=web", none},
		{annotations("insane/policy", " delay 40ms jitter 10ms "), "", "delay 40ms jitter 10ms|pass"},
		{annotations("insane/rx-policy", "percent 90"), "", "pass|percent 90"},
		{annotations("insane/policy", "pass"), "", "pass|pass"},
		{``, "IgnoreUnknown=1;INSANE_POLICY=percent 80", "percent 80|pass"},
		{``, "INSANE_RX_POLICY=percent 80;INSANE_POLICY=percent 70", "percent 70|percent 80"},
		{`"policy":"percent 60"`, "", "percent 60|pass"},
		{`"rxPolicy":"percent 60"`, "", "pass|percent 60"},
		{`"policy":"percent 60"`, "INSANE_RX_POLICY=percent 50", "pass|percent 50"},
		{`"policy":"percent 60",` + annotations("insane/policy", "percent 50"), "INSANE_POLICY=percent 40", "percent 50|pass"},
		{`"policy":"percent 60",` + annotations("insane/policy", ""), "", none},
		{`"policy":""`, "", none},
	} {
		c := conf(t, "{"+tt.conf+"}", tt.args)
		got := none
		if p, ok := c.wanted(); ok {
			got = p.TX + "|" + p.RX
		}
		if got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.conf, tt.args, got, tt.want)
		}
	}
}

// A configuration that makes no sense is refused, and the error says where.
func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"required":"yes"}`: "required",
		`{`:                  "read configuration",
		`{"cniVersion":"1.0.0","prevResult":{"cniVersion":"1.0.0","ips":"none"}}`: "result of the plugin before",
	} {
		if _, err := parse(&skel.CmdArgs{StdinData: []byte(text)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	c := conf(t, `{"cniVersion":"1.0.0"}`, "")
	if _, err := c.previous(); err == nil {
		t.Error("a plugin without another one before it is not refused")
	}
}

// The default routes and the networks of the pod lead through the device, each once; single
// addresses, such as those of gateways, do not.
func TestRoutes(t *testing.T) {
	const previous = `"cniVersion":"1.0.0","prevResult":{"cniVersion":"1.0.0",
		"ips":[{"address":"10.22.0.5/16"},{"address":"fd00:22::5/64"},{"address":"10.1.1.1/32"}],
		"routes":[{"dst":"0.0.0.0/0"},{"dst":"10.22.0.0/16"},{"dst":"10.96.0.0/12","gw":"10.22.0.1"},{"dst":"169.254.1.1/32"}]}`
	for given, want := range map[string]string{
		``:                       "[default 10.22.0.0/16 fd00:22::/64 10.96.0.0/12]",
		`"routes":["10.0.0.1"],`: "[10.0.0.1]",
		`"routes":[],`:           "[]",
	} {
		c := conf(t, "{"+given+previous+"}", "")
		result, err := c.previous()
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(c.routes(result)); got != want {
			t.Errorf("%s: %s, want %s", given, got, want)
		}
	}
}

// The policy of a pod cannot become another flag of the daemon.
func TestArguments(t *testing.T) {
	const previous = `{"cniVersion":"1.0.0","prevResult":{"cniVersion":"1.0.0"},"seed":"7"}`
	c := conf(t, previous, "")
	result, err := c.previous()
	if err != nil {
		t.Fatal(err)
	}
	args := c.arguments(&skel.CmdArgs{Netns: "/run/netns/a", IfName: "eth0"}, policies{"--group=0", "pass"}, "/run/insane/x.sock", result)
	want := "[--name=insane --netns=/run/netns/a --slave=eth0 --socket=/run/insane/x.sock --policy=--group=0 --rx-policy=pass --memory=64MB --seed=7 --route=default]"
	if got := fmt.Sprint(args); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
