package insanely

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// sampleRules are n rules and the default.
func sampleRules(n int) (rules []api.Rule) {
	for i := range n {
		d := &api.RuleDirection{Policy: "percent 60", Verdicts: api.Verdicts{Relay: uint64(i)}, Stats: sampleStats(uint64(i))}
		rules = append(rules, api.Rule{Name: "r" + strconv.Itoa(i), Match: "tcp", TX: d})
	}
	last := &api.RuleDirection{Policy: "pass", Stats: sampleStats(1)}
	return append(rules, api.Rule{Name: api.DefaultRule, Match: "any", TX: last, RX: last})
}

// pages answers requests for rules with pages of at most most of them.
func pages(t *testing.T, rules []api.Rule, most int, version func() uint64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		from, err := strconv.Atoi(r.URL.Query().Get("from"))
		if r.Method != http.MethodGet || r.URL.Path != api.PathRules || err != nil {
			t.Errorf("request is %s %s", r.Method, r.URL)
		}
		page := api.RulesPage{From: from, Total: len(rules), Version: version(), Rules: rules[from:min(from+most, len(rules))]}
		json.NewEncoder(w).Encode(page)
	}
}

// All rules come, in their order, however many a page has, and over one connection: a user
// who may not make changes gets so many only.
func TestRules(t *testing.T) {
	for _, n := range []int{0, 1, 2, 127, 128, 300} {
		for _, most := range []int{1, api.MaxRulesPage} {
			want, requests, connections := sampleRules(n), atomic.Int32{}, atomic.Int32{}
			socket := socketIn(t)
			answer := pages(t, want, most, func() uint64 { return 7 })
			serve(t, socket, func(w http.ResponseWriter, r *http.Request) { requests.Add(1); answer(w, r) })
			client := NewClient(func(ctx context.Context) (net.Conn, error) {
				connections.Add(1)
				return new(net.Dialer).DialContext(ctx, "unix", socket)
			})
			got, err := client.Rules(t.Context())
			client.Close()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d rules, %d a page (-want +got):\n%s", n, most, diff)
			}
			if a, b := int(requests.Load()), (n+most)/most; a != b || connections.Load() != 1 {
				t.Errorf("%d rules, %d a page: %d requests over %d connections, want %d over one", n, most, a, connections.Load(), b)
			}
		}
	}
}

// Pages of different versions are not put together.
func TestRulesThatChange(t *testing.T) {
	for _, changes := range []int{1, 3, 1 << 30} {
		rules, requests := sampleRules(300), 0
		client := dialFake(t, pages(t, rules, api.MaxRulesPage, func() uint64 {
			requests++
			return uint64(min(requests/2, changes)) // another one in each second request
		}))
		got, err := client.Rules(t.Context())
		if changes > 100 {
			checkError(t, err, "changed again and again")
			if most := 2 * mostReadings; requests > most {
				t.Errorf("%d requests, more than %d", requests, most)
			}
			continue
		}
		if err != nil || len(got) != len(rules) {
			t.Errorf("%d changes: %d rules, %v", changes, len(got), err)
		}
	}
}

// An answer that is no page of rules is an error, and no endless loop.
func TestRulesThatAreNone(t *testing.T) {
	for name, page := range map[string]api.RulesPage{
		"no rules":    {Total: 3},
		"from others": {Total: 3, From: 1, Rules: sampleRules(1)},
		"too many":    {Total: api.MaxRules + 2, Rules: sampleRules(1)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dialFake(t, answerJSON(t, page)).Rules(t.Context())
			checkError(t, err, "no rules in it")
		})
	}
	t.Run("huge", func(t *testing.T) {
		_, err := dialFake(t, answer(200, strings.Repeat(" ", api.MaxRulesBody+1))).Rules(t.Context())
		checkError(t, err, "longer than 1048576 bytes")
	})
}

// The text of the rules arrives as it is, up to its limit. Only text is taken for one.
func TestRulesFile(t *testing.T) {
	for _, text := range []string{"", "dns: udp port 53 both pass\n", strings.Repeat("#", api.MaxRulesFile)} {
		got, err := dialFake(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.Path != api.PathRulesFile {
				t.Errorf("request is %s %s", r.Method, r.URL)
			}
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			io.WriteString(w, text)
		}).RulesFile(t.Context())
		if err != nil || got != text {
			t.Errorf("%d bytes, %v; want %d", len(got), err, len(text))
		}
	}
	_, err := dialFake(t, answer(200, strings.Repeat("#", api.MaxRulesFile+1))).RulesFile(t.Context())
	checkError(t, err, "longer than 16777216 bytes")
	_, err = dialFake(t, answer(200, "<html>")).RulesFile(t.Context())
	checkError(t, err, `"<html>": want text`)
	said := api.Errorf(api.ErrNotFound, "", "/v1/rules/file: no such path")
	body, _ := json.Marshal(said)
	if _, err = dialFake(t, answer(said.Status(), string(body))).RulesFile(t.Context()); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("error is %v, want %v", err, said)
	}
}

// A change is sent as JSON. Only a file is sent as text, so that all its bytes arrive.
func TestChangeRules(t *testing.T) {
	text := func(s string) *string { return &s }
	want := api.RulesChanged{Total: 3, Version: 1<<64 - 1}
	for _, test := range []struct {
		change             api.RulesChange
		method, path, body string
	}{
		{api.RulesChange{Add: text("dns udp both pass")}, "POST", api.PathRules, `{"add":"dns udp both pass"}`},
		{api.RulesChange{Add: text("a"), Before: text("b")}, "POST", api.PathRules, `{"add":"a","before":"b"}`},
		{api.RulesChange{Set: text("dns rx pass")}, "POST", api.PathRules, `{"set":"dns rx pass"}`},
		{api.RulesChange{Delete: text("dns")}, "POST", api.PathRules, `{"delete":"dns"}`},
		{api.RulesChange{}, "POST", api.PathRules, `{}`},
		{api.RulesChange{Load: text("# \xff\n")}, "PUT", api.PathRulesFile, "# \xff\n"},
		{api.RulesChange{Load: text("")}, "PUT", api.PathRulesFile, ""},
		{api.RulesChange{Load: text("a"), Set: text("b")}, "POST", api.PathRules, `{"set":"b","load":"a"}`},
	} {
		t.Run(fmt.Sprintf("%s %q", test.path, test.body), func(t *testing.T) {
			client := dialFake(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.Method != test.method || r.URL.Path != test.path || string(body) != test.body {
					t.Errorf("request is %s %s %q", r.Method, r.URL.Path, body)
				}
				answerJSON(t, want)(w, r)
			})
			got, err := client.ChangeRules(t.Context(), test.change)
			if err != nil || got != want {
				t.Errorf("%+v, %v; want %+v", got, err, want)
			}
		})
	}
}

// A request about rules may take longer than another one.
func TestRulesMayTakeLonger(t *testing.T) {
	refused := errors.New("refused")
	var may time.Duration
	client := NewClient(func(ctx context.Context) (net.Conn, error) {
		may = time.Until(ctx.Value(lastDialKey{}).(time.Time))
		return nil, refused
	})
	defer client.Close()
	load := ""
	for name, call := range map[string]func() error{
		"ChangeRules": func() error {
			_, err := client.ChangeRules(t.Context(), api.RulesChange{Load: &load})
			return err
		},
		"Rules":     func() error { _, err := client.Rules(t.Context()); return err },
		"RulesFile": func() error { _, err := client.RulesFile(t.Context()); return err },
	} {
		may = 0
		if err := call(); !errors.Is(err, refused) || may <= 2*Timeout || may > RulesTimeout {
			t.Errorf("%s: %v to connect, %v; want much more than %v", name, may, err, Timeout)
		}
	}
}
