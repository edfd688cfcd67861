package wire

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestReceiveNoneHasNoPolicy: with receive none the device takes no frame, so a policy of
// rx would have no effect. A request for both is refused, and nothing changes.
func TestReceiveNoneHasNoPolicy(t *testing.T) {
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", lab.Link)
	none, auto, pass, half, tx := api.ReceiveNone, api.ReceiveAuto, "pass", "percent 50", "percent 70"
	for _, tt := range []struct {
		name    string
		change  api.Change
		refused bool
		receive string
		rx      string // afterwards
	}{
		{"none and a policy at once", api.Change{Receive: &none, RX: &half, TX: &tx}, true, auto, "pass"},
		{"a policy", api.Change{RX: &half}, false, auto, half},
		{"none over a policy", api.Change{Receive: &none, TX: &tx}, true, auto, half},
		{"none and pass", api.Change{Receive: &none, RX: &pass}, false, none, "pass"},
		{"a policy over none", api.Change{RX: &half, TX: &tx}, true, none, "pass"},
		{"pass over none", api.Change{RX: &pass}, false, none, "pass"},
		{"auto and a policy at once", api.Change{Receive: &auto, RX: &half}, false, auto, half},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := d.Client.Set(context.Background(), tt.change)
			if refused := errors.Is(err, api.ErrInvalid); refused != tt.refused || err != nil && !refused {
				t.Errorf("set: %v", err)
			}
			i := labtest.Info(t, d)
			if i.Receive != tt.receive || i.RX.Policy != tt.rx || i.TX.Policy != "pass" {
				t.Errorf("receive %s, rx %q, tx %q; want %s, %q, pass", i.Receive, i.RX.Policy, i.TX.Policy, tt.receive, tt.rx)
			}
		})
	}
}

// TestReceiveNoneHasNoPolicyByCommand: the command reports the refusal in one line.
func TestReceiveNoneHasNoPolicyByCommand(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	oneLine := func(t *testing.T, out string) {
		t.Helper()
		if strings.Count(strings.TrimSpace(out), "\n") != 0 || !strings.Contains(out, "receive none") {
			t.Errorf("it says:\n%s", out)
		}
	}
	t.Run("insane", func(t *testing.T) {
		code, out := labtest.Fails(t, l.Borea, "insane", "--socket", "@refused", "--slave", lab.Link,
			"--receive", "none", "--rx-policy", "percent 50")
		if code == 0 {
			t.Error("it succeeded")
		}
		oneLine(t, out)
		if _, err := l.Borea.Netlink().LinkByName(testbed.Device); err == nil {
			t.Errorf("%s is there", testbed.Device)
		}
	})
	t.Run("insanely", func(t *testing.T) {
		d := labtest.StartDaemon(t, l, "--slave", lab.Link, "--receive", "none")
		for _, words := range [][]string{{"rx", "percent", "50"}, {"both", "percent", "50"}} {
			out, err := d.Command(context.Background(), "insanely", append([]string{lab.Link}, words...)...).CombinedOutput()
			if err == nil {
				t.Errorf("%v: it succeeded", words)
			}
			oneLine(t, string(out))
		}
		if i := labtest.Info(t, d); i.RX.Policy != "pass" || i.TX.Policy != "pass" {
			t.Errorf("rx %q, tx %q", i.RX.Policy, i.TX.Policy)
		}
	})
}
