package control

import (
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// TestOtherNamespace: insanely in another network namespace than the device's shows the
// device and says so, and changes nothing unless it is told to. All namespaces share the
// files of the control sockets.
func TestOtherNamespace(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	socket := worldPath(t)
	i := testbed.Start(t, l, socket, "--slave", "eth0").Ready(t)
	policy := func() string {
		info, err := i.Client.Info(t.Context())
		labtest.Must(t, err)
		return info.TX.Policy
	}
	insanely := func(h *lab.Host, args ...string) (out string, failed bool) {
		c := h.Command(t.Context(), "insanely", args...)
		c.Env = append(c.Environ(), "INSANE_SOCKET="+socket)
		text, err := c.CombinedOutput()
		return string(text), err != nil
	}
	if out, failed := insanely(l.Morgana); failed || !strings.Contains(out, "\nnamespace  net:[") {
		t.Errorf("it is shown as\n%s", out)
	}
	if out, failed := insanely(l.Borea); failed || strings.Contains(out, "namespace") {
		t.Errorf("in its own namespace it is shown as\n%s", out)
	}
	out, failed := insanely(l.Morgana, "eth0", "percent", "1")
	if want := "nothing was changed: run insanely there, or give --any-netns\n"; !failed || !strings.HasPrefix(out, "insanely: namespace: ") ||
		!strings.HasSuffix(out, want) || strings.Count(out, "\n") != 1 || policy() != "pass" {
		t.Errorf("policy %s, said %s", policy(), out)
	}
	for n, try := range []struct {
		from *lab.Host
		args []string
	}{
		{l.Borea, nil},
		{l.Morgana, []string{"--any-netns"}},
		{l.Morgana, []string{"--socket", socket}},
	} {
		want := "percent " + string(rune('2'+n))
		if out, failed := insanely(try.from, append(try.args, "eth0", "percent", want[len("percent "):])...); failed || policy() != want {
			t.Errorf("%s %q: policy %s, want %s: %s", try.from.Name, try.args, policy(), want, out)
		}
	}
}
