package main

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestTwoDaemonsRace starts two daemons at once that want the same name. One
// gets it and works as if it were alone; the other says in a line why it cannot
// and takes nothing along.
func TestTwoDaemonsRace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		sockets func(t *testing.T) [2]string
	}{
		{"same path", func(t *testing.T) [2]string { p := socketPath(t, "insane"); return [2]string{p, p} }},
		{"same abstract address", func(*testing.T) [2]string { return [2]string{"@insane", "@insane"} }},
		{"different paths", func(t *testing.T) [2]string { return [2]string{socketPath(t, "a"), socketPath(t, "b")} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			before := stateOf(t, l.Borea)
			for range soak(t, 17) { // three times 17 pairs: 102 starts
				raceOnce(t, l, tt.sockets(t))
				sameState(t, l.Borea, before)
			}
		})
	}
}

func raceOnce(t *testing.T, l *lab.Lab, sockets [2]string) {
	t.Helper()
	args := []string{"--slave", "eth0", "--route", "10.9.0.2"}
	a, b := start(t, l, sockets[0], args...), start(t, l, sockets[1], args...)
	winner, loser := a, b
	select {
	case <-a.exited:
		winner, loser = b, a
	case <-b.exited:
	case <-time.After(patience):
		t.Fatal("both of them live")
	}
	if code := loser.end(t); code != 1 {
		t.Errorf("the loser's exit code is %d", code)
	}
	checkLastWords(t, loser.log.String())
	winner.ready(t)
	if i, err := winner.Client.Set(t.Context(), api.Change{TX: new("percent 100")}); err != nil || i.TX.Policy != "percent 100" {
		t.Errorf("set of the winner: %q, %v", i.TX.Policy, err)
	}
	awaitCarrier(t, l, true)
	relays(t, l, winner.Client)
	select {
	case <-winner.exited:
		t.Errorf("the winner is gone too:\n%s", winner.log.String())
	default:
	}
	winner.kill()
}

// checkLastWords: one line that names what is taken.
func checkLastWords(t *testing.T, said string) {
	t.Helper()
	if strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "insane: ") || !strings.Contains(said, "insane") ||
		!strings.Contains(said, "another daemon serves it") && !strings.Contains(said, "there is a link of that name") {
		t.Errorf("the loser said:\n%s", said)
	}
}

// TestSecondDaemonLeavesFirstAlone: the first one has long been running.
func TestSecondDaemonLeavesFirstAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	socket := socketPath(t, "insane")
	first := start(t, l, socket, "--slave", "eth0", "--route", "10.9.0.2").ready(t)
	awaitCarrier(t, l, true)
	before := stateOf(t, l.Borea)
	for _, other := range []string{socket, socketPath(t, "other"), "@other"} {
		second := start(t, l, other, furnished...)
		if code := second.end(t); code != 1 {
			t.Errorf("%s: exit code %d", other, code)
		}
		checkLastWords(t, second.log.String())
		sameState(t, l.Borea, before)
	}
	relays(t, l, first.Client)
}
