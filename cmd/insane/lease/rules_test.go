package lease

import (
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// TestRulesReturn changes rules with leases and without: what was set without one stays.
func TestRulesReturn(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0")
	insanely(t, l, d, "rule", "add", "dns", "udp", "port", "53", "both", "delay", "200ms")
	insanely(t, l, d, "--for", "1h", "rule", "set", "dns", "tx", "percent", "5")
	insanely(t, l, d, "--for", "1h", "rule", "add", "web", "tcp", "port", "80", "tx", "percent", "5")
	insanely(t, l, d, "--for", "1h", "rule", "del", "dns")
	insanely(t, l, d, "rule", "add", "big", "greater", "1400", "tx", "percent", "60")
	if out := insanely(t, l, d); !strings.Contains(out, "rules return to 2 rules in ") {
		t.Errorf("no lease of the rules in\n%s", out)
	}
	insanely(t, l, d, "--for", "50ms", "rule", "add", "late", "udp", "tx", "percent", "5") // a shorter time
	awaitEnd(t, d)
	const want = "dns: udp port 53 both delay 200ms\nbig: greater 1400 tx percent 60\n"
	if got := insanely(t, l, d, "rules", "save"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	// A file may be loaded for a while, too.
	cmd := l.Borea.Command(t.Context(), "insanely", "--socket", d.Socket, "--confirm", "300ms", "rules", "load", "-")
	cmd.Stdin = strings.NewReader("all: any both percent 0\n")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "1 rule\n" {
		t.Fatalf("%v: %s", err, out)
	}
	awaitEnd(t, d)
	if got := insanely(t, l, d, "rules", "save"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestSessionStays: a rule that passes the ssh session of who asks stays when a lease ends that
// was asked for with it, in the rules that return as well.
func TestSessionStays(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--route", "10.9.0.2")
	const session = "10.9.0.2 50122 10.9.0.1 22"
	run := func(args ...string) {
		t.Helper()
		args = append([]string{"SSH_CONNECTION=" + session, "insanely", "--socket", d.Socket}, args...)
		labtest.Run(t, l.Borea, "env", args...)
	}
	run("--for", "1h", "rule", "add", "all", "any", "both", "percent", "0")
	if got := insanely(t, l, d, "rules", "save"); !strings.HasPrefix(got, "ssh-session: ") || !strings.Contains(got, "all: any") {
		t.Errorf("in force: %q", got)
	}
	run("--for", "50ms", "rule", "set", "all", "both", "percent", "1") // a shorter time
	awaitEnd(t, d)
	if got := insanely(t, l, d, "rules", "save"); !strings.HasPrefix(got, "ssh-session: ") || strings.Contains(got, "all: any") {
		t.Errorf("returned: %q", got)
	}
	insanely(t, l, d, "rule", "del", "ssh-session")
	// The rules that return would fault the session under a policy that stays.
	insanely(t, l, d, "rule", "add", "ssh", "tcp", "port", "22", "both", "pass")
	insanely(t, l, d, "rule", "set", "ssh", "both", "percent", "1")
	run("--for", "1h", "rule", "set", "ssh", "both", "pass")
	run("eth0", "both", "percent", "50")
	run("--for", "50ms", "rule", "set", "ssh", "both", "pass")
	awaitEnd(t, d)
	if got := insanely(t, l, d, "rules", "save"); !strings.HasPrefix(got, "ssh-session: ") || !strings.Contains(got, "ssh: tcp port 22 both percent 1\n") {
		t.Errorf("returned under another policy: %q", got)
	}
}
