package control

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Capabilities of capabilities(7), as setpriv(1) takes them.
const (
	transmitRights = "-all,+net_admin,+net_raw"
	receiveRights  = transmitRights + ",+bpf"
)

// withRights prepares a lab whose daemons have only these capabilities.
func withRights(t testing.TB, rights string) *lab.Lab {
	t.Helper()
	// Root's capabilities are limited by the bounding set.
	return labtest.NewWith(t, "setpriv", "--bounding-set", rights, "insane")
}

// TestRightsWithoutBPF: a daemon that may create a device but may not load a filter, and is
// asked to receive, says in one line which right is missing and how to do without, and leaves
// nothing behind. Unasked it receives nothing and says so: it works through the relay, and
// later refuses changes that need the right.
func TestRightsWithoutBPF(t *testing.T) {
	t.Parallel()
	l := withRights(t, transmitRights)
	before := testbed.StateOf(t, l.Borea)
	for _, args := range [][]string{{"--rx-policy", "percent 50"}, {"--receive", "auto"}, {"--receive", "all", "--slave", "eth0", "--address", "10.9.0.3"}} {
		args = append([]string{"--bounding-set", transmitRights, "insane", "--socket", "@insane"}, args...)
		code, out := labtest.Fails(t, l.Borea, "setpriv", args...)
		if code != 1 || strings.Count(out, "\n") != 1 {
			t.Errorf("%q: exit code %d, said:\n%s", args, code, out)
		}
		for _, words := range []string{"insane: receive: ", "CAP_BPF", "--receive none"} {
			if !strings.Contains(out, words) {
				t.Errorf("%q: not a word of %q:\n%s", args, words, out)
			}
		}
		testbed.SameState(t, l.Borea, before)
	}
	checkNoFastPath(t, l)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--route", "10.9.0.2")
	onlySends := regexp.MustCompile(`level=WARN msg="what arrives stays with the slave.* receive=none err=.*CAP_BPF`)
	labtest.Await(t, "the log to say that it only sends", func() bool { return onlySends.MatchString(d.Logs()) })
	testbed.AwaitCarrier(t, l, true)
	if i := labtest.Info(t, d); i.Path != api.PathRelay || !strings.Contains(i.PathReason, "CAP_BPF") {
		t.Errorf("path %s, as %q", i.Path, i.PathReason)
	}
	out := labtest.Run(t, l.Borea, "insanely", "--socket", d.Socket)
	if !regexp.MustCompile(`(?m)^path +relay: .*CAP_BPF`).MatchString(out) {
		t.Errorf("insanely does not say what is missing:\n%s", out)
	}
	testbed.Relays(t, l, d.Client)
	before = testbed.StateOf(t, l.Borea)
	for _, mode := range []string{api.ReceiveAuto, api.ReceiveAll} {
		_, err := d.Client.Set(t.Context(), api.Change{Receive: &mode, TX: new("percent 1")})
		if !errors.Is(err, api.ErrNoReceive) || !strings.Contains(err.Error(), "CAP_BPF") {
			t.Errorf("%s: %v", mode, err)
		}
		if i := labtest.Info(t, d); i.Receive != api.ReceiveNone || i.TX.Policy != "pass" {
			t.Errorf("a refused change changed receive to %s, tx to %s", i.Receive, i.TX.Policy)
		}
		refusedOverHTTP(t, l, d, mode)
		code, out := labtest.Fails(t, l.Borea, "insanely", "--socket", d.Socket, "--receive", mode)
		if code != 1 || strings.Count(out, "\n") != 1 || !strings.Contains(out, "CAP_BPF") {
			t.Errorf("insanely --receive %s: exit code %d, said:\n%s", mode, code, out)
		}
	}
	testbed.SameState(t, l.Borea, before)
	testbed.Relays(t, l, d.Client)
}

// checkNoFastPath asks for features that are impossible without CAP_BPF.
func checkNoFastPath(t *testing.T, l *lab.Lab) {
	t.Helper()
	before := testbed.StateOf(t, l.Borea)
	code, out := labtest.Fails(t, l.Borea, "setpriv", "--bounding-set", transmitRights,
		"insane", "--socket", "@insane", "--receive", "none", "--path", "kernel")
	if code != 1 || strings.Count(out, "\n") != 1 {
		t.Errorf("--path kernel: exit code %d, said:\n%s", code, out)
	}
	for _, words := range []string{`insane: path: "kernel": `, "CAP_BPF", "--path relay does without"} {
		if !strings.Contains(out, words) {
			t.Errorf("--path kernel: not a word of %q:\n%s", words, out)
		}
	}
	testbed.SameState(t, l.Borea, before)
}

// refusedOverHTTP sends a request as a program does that knows only HTTP.
func refusedOverHTTP(t *testing.T, l *lab.Lab, d *lab.Daemon, mode string) {
	t.Helper()
	kept := keptConnection(l, d.Socket)
	defer kept.CloseIdleConnections()
	request, err := http.NewRequest("PUT", "http://insane"+api.PathInfo, strings.NewReader(`{"receive":"`+mode+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := kept.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("receive %s: HTTP status %d", mode, answer.StatusCode)
	}
}

// TestRightsEnough: receiving frames and the fast path need CAP_BPF in addition to the
// rights to create a device. No mode needs CAP_SYS_ADMIN.
func TestRightsEnough(t *testing.T) {
	t.Parallel()
	l := withRights(t, receiveRights)
	before, objects := testbed.StateOf(t, l.Borea), testbed.ObjectsNow(t)
	d := labtest.StartDaemon(t, l, append([]string{"--receive", "auto"}, testbed.Furnished...)...)
	for _, mode := range []string{api.ReceiveAll, api.ReceiveNone, api.ReceiveAuto} {
		if i := labtest.Set(t, d, api.Change{Receive: &mode}); i.Receive != mode {
			t.Errorf("asked for receive %s, got %s", mode, i.Receive)
		}
	}
	testbed.KnowBorea(t, l, "10.9.0.3")
	p := testbed.NewProber(t, l, "10.9.0.4", "10.9.0.3")
	p.AwaitNow(t, testbed.Device)
	if testbed.HasTCX(t) {
		testbed.AwaitPaths(t, d, api.PathKernel)
	}
	if err := d.Stop(); err != nil {
		t.Error(err)
	}
	testbed.SameState(t, l.Borea, before)
	testbed.NoOrphans(t, objects)
}
