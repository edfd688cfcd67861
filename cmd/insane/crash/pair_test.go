package crash

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestTwoDaemonsRace starts two daemons with the same name at once. One gets the name and
// works as if it were alone. The other says in one line why it cannot, and does not damage
// the first.
func TestTwoDaemonsRace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		sockets func(t *testing.T) [2]string
	}{
		{"same path", func(t *testing.T) [2]string { p := testbed.SocketPath(t, "insane"); return [2]string{p, p} }},
		{"same abstract address", func(*testing.T) [2]string { return [2]string{"@insane", "@insane"} }},
		{"different paths", func(t *testing.T) [2]string { return [2]string{testbed.SocketPath(t, "a"), testbed.SocketPath(t, "b")} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := labtest.New(t)
			before := testbed.StateOf(t, l.Borea)
			for range testbed.Soak(t, 5) { // three times 5 pairs: 30 starts
				raceOnce(t, l, tt.sockets(t))
				testbed.SameState(t, l.Borea, before)
			}
		})
	}
}

func raceOnce(t *testing.T, l *lab.Lab, sockets [2]string) {
	t.Helper()
	args := []string{"--slave", "eth0", "--route", "10.9.0.2"}
	a, b := testbed.Start(t, l, sockets[0], args...), testbed.Start(t, l, sockets[1], args...)
	winner, loser := a, b
	select {
	case <-a.Exited:
		winner, loser = b, a
	case <-b.Exited:
	case <-time.After(labtest.Patience):
		t.Fatal("both of them live")
	}
	if code := loser.End(t); code != 1 {
		t.Errorf("the loser's exit code is %d", code)
	}
	checkLastWords(t, loser.Log.String())
	winner.Ready(t)
	if i, err := winner.Client.Set(t.Context(), api.Change{TX: new("percent 100")}); err != nil || i.TX.Policy != "percent 100" {
		t.Errorf("set of the winner: %q, %v", i.TX.Policy, err)
	}
	testbed.AwaitCarrier(t, l, true)
	testbed.Relays(t, l, winner.Client)
	select {
	case <-winner.Exited:
		t.Errorf("the winner is gone too:\n%s", winner.Log.String())
	default:
	}
	winner.Kill()
}

// checkLastWords: the daemon wrote one line, which names what is in use.
func checkLastWords(t *testing.T, said string) {
	t.Helper()
	if strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "insane: ") || !strings.Contains(said, "insane") ||
		!strings.Contains(said, "another daemon serves it") && !strings.Contains(said, "there is a link of that name") {
		t.Errorf("the loser said:\n%s", said)
	}
}

// TestSecondDaemonLeavesFirstAlone: a daemon of this name runs already.
func TestSecondDaemonLeavesFirstAlone(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	socket := testbed.SocketPath(t, "insane")
	first := testbed.Start(t, l, socket, "--slave", "eth0", "--route", "10.9.0.2").Ready(t)
	testbed.AwaitCarrier(t, l, true)
	before := testbed.StateOf(t, l.Borea)
	for _, other := range []string{socket, testbed.SocketPath(t, "other"), "@other"} {
		second := testbed.Start(t, l, other, testbed.Furnished...)
		if code := second.End(t); code != 1 {
			t.Errorf("%s: exit code %d", other, code)
		}
		checkLastWords(t, second.Log.String())
		testbed.SameState(t, l.Borea, before)
	}
	testbed.Relays(t, l, first.Client)
}
