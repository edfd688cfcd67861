package keeper

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// fake is a device that refuses to return members.
type fake struct {
	info     api.Info
	refused  map[string]error // by member
	returned []string
}

func (f *fake) State() api.Info { return f.info }

func (f *fake) Return(c api.Change, rules policy.Rules, done func()) error {
	has := map[string]bool{"slave": c.Slave != nil, "receive": c.Receive != nil, "tx": c.TX != nil, "rules": rules != nil}
	text := ""
	for _, member := range []string{"slave", "receive", "tx", "rules"} {
		if err := f.refused[member]; has[member] && err != nil {
			return err
		}
		if has[member] {
			text += member + " "
		}
	}
	f.returned = append(f.returned, text)
	done()
	return nil
}

// Members that cannot return are left out, one after the other, and said; the rest returns in one change.
func TestExpireLeavesOut(t *testing.T) {
	refuse := func(field string) error { return api.Errorf(api.ErrInvalid, field, "impossible") }
	for _, test := range []struct {
		refused map[string]error
		want    string // what returns
		left    []string
	}{
		{nil, "slave receive tx rules ", nil},
		{map[string]error{"slave": refuse("slave")}, "receive tx rules ", []string{"slave"}},
		{map[string]error{"receive": refuse("rx")}, "slave tx rules ", []string{"receive"}},
		{map[string]error{"slave": errors.New("no memory")}, "tx rules ", []string{"receive", "slave"}},
		{map[string]error{"slave": refuse("slave"), "tx": refuse("tx")}, "receive rules ", []string{"slave", "tx"}},
		{map[string]error{"slave": errors.New("x"), "receive": errors.New("x"), "tx": errors.New("x"), "rules": errors.New("x")}, "", []string{"receive", "slave", "tx", "rules"}},
	} {
		var log bytes.Buffer
		now := policy.Time(1)
		k := New(func() policy.Time { return now }, slog.New(slog.NewTextHandler(&log, nil)))
		f := &fake{refused: test.refused, info: api.Info{Slave: "eth1", Receive: "all"}}
		slave, receive, tx, span := "eth1", "all", "percent 1", "1ms"
		before := f.info
		before.Slave, before.Receive = "eth0", "auto"
		same := func(rules policy.Rules) policy.Rules { return rules }
		after := f.info
		after.TX.Policy = tx
		k.Changed(api.Change{Slave: &slave, Receive: &receive, TX: &tx, For: &span}, nil, before, after, same)
		edit := api.RulesChange{Delete: &slave, For: &span}
		next, err := k.Edit(edit, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		k.RulesChanged(edit, nil, next, 1, 0, same)
		k.Expire(f)
		if len(f.returned) > 0 || len(k.Present()) != 4 {
			t.Errorf("before the time: returned %q, leases %v", f.returned, k.Present())
		}
		now += 1_000_000
		k.Expire(f)
		k.Expire(f)
		if got := strings.Join(f.returned, "|"); got != test.want || len(k.Present()) != 0 {
			t.Errorf("%v: returned %q, leases %v; want %q", test.refused, got, k.Present(), test.want)
		}
		for _, member := range test.left {
			if want := "its member cannot return\" member=" + member; !strings.Contains(log.String(), want) {
				t.Errorf("no %s in %s", want, &log)
			}
		}
		entries := k.Log(3).Entries
		if members := strings.Fields(test.want); len(members) > 0 != (len(entries) == 1) || len(entries) == 1 && len(entries[0].Members) != len(members) {
			t.Errorf("%v: logged %+v", test.refused, entries)
		}
	}
}

// The log keeps the last entries, in bounded memory, and gives them page by page.
func TestLogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := New(func() policy.Time { return 0 }, slog.New(slog.DiscardHandler))
		if page := k.Log(0); len(page.Entries) != 0 || page.Entries == nil || page.Last != 0 {
			t.Errorf("empty: %+v", page)
		}
		long := strings.Repeat("ä\n", 500)
		const total = 2*api.MaxLog + 7
		for n := range total {
			time.Sleep(time.Millisecond)
			add := fmt.Sprint(n, " ", long)
			k.RulesChanged(api.RulesChange{Add: &add, Before: &long}, &api.Peer{}, nil, 0, 1, nil)
		}
		want := uint64(total - api.MaxLog + 1)
		for from := uint64(0); ; {
			page := k.Log(from)
			if len(page.Entries) > api.MaxLogPage || page.Last != total {
				t.Fatalf("from %d: %d entries, last %d", from, len(page.Entries), page.Last)
			}
			for _, e := range page.Entries {
				to := e.Members[0].To
				if e.Number != want || len(to) > mostShown+len("…") || !strings.Contains(to, fmt.Sprint(" ", want-1, " ä ")) {
					t.Fatalf("number %d, want %d; %q", e.Number, want, to)
				}
				want++
			}
			if len(page.Entries) == 0 {
				break
			}
			from = page.Entries[len(page.Entries)-1].Number + 1
		}
		if want != total+1 {
			t.Errorf("the last was %d", want-1)
		}
		if page := k.Log(^uint64(0)); len(page.Entries) != 0 {
			t.Errorf("behind the end: %+v", page.Entries)
		}
	})
}
