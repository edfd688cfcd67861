package insane

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-39a139a1/insane/insane/port/porttest"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// leasing is a device in a bubble whose clock is that of the bubble.
type leasing struct {
	*testing.T
	d   *Device
	log bytes.Buffer
}

func inBubble(t *testing.T, test func(l *leasing)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &leasing{T: t}
		began := time.Now()
		near, far := porttest.New(4, 4), porttest.New(4, 4)
		l.d = started(t, near, far, Config{Name: "insane", Seed: 7, Clock: func() policy.Time { return policy.Time(1 + time.Since(began)) },
			Log: slog.New(slog.NewTextHandler(&l.log, nil))})
		test(l)
	})
}

// set asks for a change in words: members, and for and confirm, each with its value.
func (l *leasing) set(words ...string) {
	l.Helper()
	var c api.Change
	for i := 0; i < len(words); i += 2 {
		value := words[i+1]
		switch words[i] {
		case "tx":
			c.TX = &value
		case "seed":
			c.SeedText = &value
		case "judge":
			on := value == "true"
			c.JudgeNeighbours = &on
		case "for":
			c.For = &value
		case "confirm":
			c.Confirm = &value
		default:
			l.Fatal(words[i])
		}
	}
	if _, _, err := l.d.Change(c, &api.Peer{UID: 5, PID: 6, Command: "test"}); err != nil {
		l.Fatal(err)
	}
}

func (l *leasing) rule(c api.RulesChange) {
	l.Helper()
	if _, err := l.d.ChangeRules(c, nil); err != nil {
		l.Fatal(err)
	}
}

// is fails unless the device is like this when everything that is to happen by now has happened.
func (l *leasing) is(what, tx string, seed uint64, judge bool, rules string, leases ...string) {
	l.Helper()
	synctest.Wait()
	i := l.d.State()
	if i.TX.Policy != tx || i.Seed != seed || i.JudgeNeighbours != judge || l.d.RulesFile() != rules {
		l.Errorf("%s: tx %q seed %d judge %v rules %q, want %q %d %v %q", what, i.TX.Policy, i.Seed, i.JudgeNeighbours, l.d.RulesFile(), tx, seed, judge, rules)
	}
	var got []string
	for _, lease := range i.Leases {
		got = append(got, fmt.Sprint(lease.Member, ">", lease.To, " ", time.Duration(lease.Remaining), " ", lease.Unconfirmed, " ", time.Duration(lease.IfConfirmed)))
	}
	if strings.Join(got, ",") != strings.Join(leases, ",") {
		l.Errorf("%s: leases %q, want %q", what, got, leases)
	}
}

// A member returns when its time comes, not before, to what it was before the first lease; what
// is set without a lease stays.
func TestLeaseEnds(t *testing.T) {
	inBubble(t, func(l *leasing) {
		l.set("tx", "percent 80", "seed", "9", "judge", "true", "for", "10s")
		l.is("leased", "percent 80", 9, true, "", "tx>pass 10s false 0s", "seed>7 10s false 0s", "judgeNeighbours>false 10s false 0s")
		time.Sleep(4 * time.Second)
		l.set("tx", "percent 60", "for", "20s") // a lease on a lease
		l.set("seed", "11")                     // no lease any more
		l.is("on a lease", "percent 60", 11, true, "", "tx>pass 20s false 0s", "judgeNeighbours>false 6s false 0s")
		time.Sleep(6*time.Second - 1)
		l.is("a moment before", "percent 60", 11, true, "", "tx>pass 14.000000001s false 0s", "judgeNeighbours>false 1ns false 0s")
		time.Sleep(time.Nanosecond)
		l.is("the first end", "percent 60", 11, false, "", "tx>pass 14s false 0s")
		l.set("tx", "percent 60", "for", "1ms") // shorter
		time.Sleep(time.Millisecond)
		l.is("the last end", "pass", 11, false, "")
		l.set("tx", "percent 10", "for", "1s")
		l.set("tx", "percent 5")
		time.Sleep(time.Hour)
		l.is("without a lease", "percent 5", 11, false, "")
	})
}

// A change that is not confirmed in time returns; one that is confirmed stays, or returns later.
func TestLeaseIsConfirmed(t *testing.T) {
	inBubble(t, func(l *leasing) {
		confirm := func(want error) {
			l.Helper()
			if _, err := l.d.Confirm(nil); !errors.Is(err, want) {
				l.Errorf("Confirm: %v, want %v", err, want)
			}
		}
		confirm(api.ErrNoLease)
		l.set("tx", "percent 80", "for", "1m")
		confirm(api.ErrNoLease) // it does not wait
		l.set("tx", "percent 0", "confirm", "20s")
		l.set("seed", "9", "for", "10m", "confirm", "30s")
		l.is("waits", "percent 0", 9, false, "", "tx>pass 20s true 0s", "seed>7 30s true 10m0s")
		time.Sleep(20 * time.Second)
		l.is("not confirmed", "pass", 9, false, "", "seed>7 10s true 9m40s")
		confirm(nil)
		confirm(api.ErrNoLease)
		time.Sleep(9*time.Minute + 39*time.Second)
		l.is("confirmed", "pass", 9, false, "", "seed>7 1s false 0s")
		time.Sleep(time.Second)
		l.is("at last", "pass", 7, false, "")
		l.set("tx", "percent 0", "confirm", "20s")
		confirm(nil)
		time.Sleep(time.Hour)
		l.is("kept", "percent 0", 7, false, "")
		l.set("tx", "percent 1", "confirm", "20s", "for", "10s")
		time.Sleep(10 * time.Second)
		l.is("the shorter counts", "percent 0", 7, false, "")
	})
}

// The rules return as a whole; an edit without a lease stays.
func TestLeaseOfRules(t *testing.T) {
	inBubble(t, func(l *leasing) {
		text := func(s string) *string { return &s }
		span := text("10s")
		l.rule(api.RulesChange{Load: text("a: tcp tx percent 1\nb: udp tx percent 2\n")})
		l.rule(api.RulesChange{Load: text("c: icmp tx percent 3\n"), For: span})
		l.rule(api.RulesChange{Add: text("d icmp6 tx percent 4")})
		l.rule(api.RulesChange{Set: text("c tx percent 5")})
		l.rule(api.RulesChange{Add: text("a tcp tx percent 9"), Before: text("c")})
		l.rule(api.RulesChange{Delete: text("d")})
		l.is("in force", "pass", 7, false, "a: tcp tx percent 9\nc: icmp tx percent 5\n", "rules>3 rules 10s false 0s")
		time.Sleep(10 * time.Second)
		l.is("returned", "pass", 7, false, "b: udp tx percent 2\na: tcp tx percent 9\nc: icmp tx percent 5\n")
		l.rule(api.RulesChange{Delete: text("b"), For: span})
		l.rule(api.RulesChange{Load: text("# none\n")})
		time.Sleep(time.Hour)
		l.is("new rules", "pass", 7, false, "")
	})
}

// A time that cannot be, or nothing to change, is refused and changes nothing.
func TestLeaseRefused(t *testing.T) {
	d := idle(t)
	p := serve(t, d)
	for body, want := range map[string]string{
		`{"tx":"percent 0","for":"0s"}`:            `for: "0s": want a time from 1ms to 8760h`,
		`{"tx":"percent 0","for":"-1s"}`:           `for: "-1s"`,
		`{"tx":"percent 0","for":""}`:              `for: ""`,
		`{"tx":"percent 0","for":"600"}`:           `for: "600"`,
		`{"tx":"percent 0","for":"8760h1ms"}`:      `for: "8760h1ms"`,
		`{"tx":"percent 0","confirm":"1us"}`:       `confirm: "1us"`,
		`{"tx":"percent 0","for":"1s\u001b"}`:      `for: "1s\x1b"`,
		`{"for":"10m"}`:                            `for: "10m": only with a change`,
		`{"confirm":"10m","session":"1 2 3 4"}`:    `confirm: "10m": only with a change`,
		`{"tx":"percent 0","for":"1s","seed":"x"}`: `seed`,
	} {
		status, answer := p.ask("PUT", api.PathInfo, body)
		if status != 400 || !strings.Contains(strings.ReplaceAll(string(answer), `\"`, `"`), strings.ReplaceAll(want, `\`, `\\`)) {
			t.Errorf("%s: %d %s, want %s", body, status, answer, want)
		}
	}
	if i := d.State(); i.TX.Policy != "pass" || len(i.Leases) > 0 {
		t.Errorf("%+v", i)
	}
}

// The log says who has changed what, also that a lease has ended, in order.
func TestLeaseIsLogged(t *testing.T) {
	inBubble(t, func(l *leasing) {
		l.set("tx", "percent 80", "for", "1ms", "confirm", "1s")
		time.Sleep(time.Second)
		synctest.Wait()
		page := l.d.Log(0)
		if len(page.Entries) != 2 || page.Last != 2 {
			l.Fatalf("%+v", page)
		}
		asked, ended := page.Entries[0], page.Entries[1]
		change := api.Transition{Member: "tx", From: "pass", To: "percent 80"}
		if asked.Who != api.WhoPeer || *asked.Peer != (api.Peer{UID: 5, PID: 6, Command: "test"}) || asked.For != "1ms" || asked.Confirm != "1s" ||
			len(asked.Members) != 1 || asked.Members[0] != change {
			l.Errorf("%+v", asked)
		}
		if ended.Who != api.WhoLease || ended.Peer != nil || len(ended.Members) != 1 || ended.Members[0] != (api.Transition{Member: "tx", From: "percent 80", To: "pass"}) {
			l.Errorf("%+v", ended)
		}
		if want := `msg="leases have ended" tx="percent 80 -> pass"`; !strings.Contains(l.log.String(), want) {
			l.Errorf("no %s in %s", want, &l.log)
		}
		if got, err := time.Parse(time.RFC3339, ended.Time); err != nil || time.Until(got) > 0 || time.Since(got) > time.Second {
			l.Errorf("%s, %v", ended.Time, err)
		}
	})
}

// A device that ends takes its leases with it, and confirms nothing any more.
func TestLeaseOfClosed(t *testing.T) {
	inBubble(t, func(l *leasing) {
		l.set("tx", "percent 80", "confirm", "1s")
		l.d.closed.Store(true)
		if _, err := l.d.Confirm(nil); !errors.Is(err, api.ErrInternal) {
			l.Errorf("Confirm: %v", err)
		}
		time.Sleep(time.Minute)
		l.is("closed", "percent 80", 7, false, "", "tx>pass 0s true 0s")
	})
}
