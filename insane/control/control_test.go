package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insane/replay"
	"github.com/seed-39a139a1/insane/insanely/api"
)

var root = host.Peer{UID: 0, GID: 0}

// fake is a device that does what it is told, or fails with err. A test uses it
// from one goroutine at a time.
type fake struct {
	info    api.Info
	rules   []api.Rule
	file    string // the text of the rules
	err     error
	changes int             // calls of Change and ChangeRules
	asked   api.RulesChange // the last argument of ChangeRules
	by      *api.Peer       // who has asked for the last change
	log     []api.LogEntry

	recording *Recording
	filter    ledger.Filter // the last argument of Record
}

func (f *fake) State() api.Info { return f.info }

func (f *fake) Change(c api.Change, by *api.Peer) (before, after api.Info, err error) {
	f.changes++
	f.by = by
	if f.err != nil {
		return before, after, f.err
	}
	before = f.info
	if c.TX != nil {
		f.info.TX.Policy = *c.TX
	}
	if c.Receive != nil {
		f.info.Receive = *c.Receive
	}
	if c.Seed != nil {
		f.info.Seed = *c.Seed
	}
	return before, f.info, nil
}

func (f *fake) Rules(from int) api.RulesPage {
	page := api.RulesPage{From: from, Total: len(f.rules), Version: 5}
	if from < len(f.rules) {
		page.Rules = f.rules[from:min(from+api.MaxRulesPage, len(f.rules))]
	}
	return page
}

func (f *fake) RulesFile() string { return strings.Clone(f.file) }

func (f *fake) ChangeRules(c api.RulesChange, by *api.Peer) (api.RulesChanged, error) {
	f.changes++
	f.asked, f.by = c, by
	return api.RulesChanged{Total: len(f.rules) - 1, Version: 6}, f.err
}

func (f *fake) Confirm(by *api.Peer) (api.Info, error) {
	f.changes++
	f.by = by
	return f.info, f.err
}

func (f *fake) Log(from uint64) api.LogPage {
	return api.LogPage{Entries: f.log[min(int(from), len(f.log)):], Last: uint64(len(f.log))}
}

func (f *fake) Replay(t *replay.Table, by *api.Peer) (before, after api.Info, err error) {
	f.changes++
	f.by = by
	before, after = f.State(), f.State()
	c := t.Counts()
	after.Replay = &api.Replay{Name: t.Head().Name, Flows: c.Connections, Packets: c.Packets}
	return before, after, f.err
}

func (f *fake) Record(filter ledger.Filter) (*Recording, error) {
	f.filter = filter
	return f.recording, f.err
}

// newFake makes a device in which all numbers that an answer shows differ.
func newFake() *fake {
	stats := func(n uint64) api.Stats {
		return api.Stats{
			Offered: api.Count{Packets: n + 8, Bytes: n + 9}, Relayed: api.Count{Packets: n + 6, Bytes: n + 7},
			Dropped:  map[string]api.Count{api.DropPolicy: {Packets: n + 1, Bytes: n + 2}, api.DropTooBig: {}},
			Overruns: n + 5, Neighbour: api.Count{Packets: n + 10, Bytes: n + 11},
		}
	}
	rule := func(name string, n uint64) api.Rule {
		return api.Rule{Name: name, Match: "udp port 53", TX: &api.RuleDirection{Policy: "pass", Stats: stats(n)}}
	}
	return &fake{rules: []api.Rule{rule("dns", 300), rule("web", 400), rule(api.DefaultRule, 500)}, file: "dns: udp port 53 tx pass\n", info: api.Info{
		Name: "insane", Slave: "eth0", SlaveState: api.SlaveUp, Carrier: true, MTU: 1500, Seed: 7, LogDropped: 11,
		Receive: api.ReceiveAll, Path: api.PathRelay,
		TX: api.Direction{Policy: "pass", Verdicts: api.Verdicts{Relay: 3, Drop: 4}, Path: api.PathKernel, Stats: stats(100)},
		RX: api.Direction{Policy: "percent 50", Path: api.PathRelay, Stats: stats(200)},
	}}
}

// ask sends one request as peer, without a socket.
func ask(s *server, peer host.Peer, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r = r.WithContext(context.WithValue(r.Context(), peerKey{}, peer))
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, r)
	return w
}

// An invalid request, or one from a peer that may not make changes, does not reach the
// device. The answer is one line of JSON.
func TestRefusals(t *testing.T) {
	d := newFake()
	s := newServer(d, Options{Name: "insane"})
	long := `{"tx":"` + strings.Repeat("x", api.MaxBody) + `"}`
	for _, c := range []struct {
		method, path, body string
		peer               host.Peer
		want               *api.Error
		field, says        string
	}{
		{"PUT", api.PathInfo, `{"tx":"percent 0"}`, nobody, api.ErrForbidden, "", "may not change insane"},
		{"PUT", api.PathInfo, `{"seed":-1}`, root, api.ErrInvalid, "seed", "seed: -1: want a whole number from 0 to 2^64-1"},
		{"PUT", api.PathInfo, `{"seed":1.5}`, root, api.ErrInvalid, "seed", "1.5"},
		{"PUT", api.PathInfo, `{"seed":18446744073709551616}`, root, api.ErrInvalid, "seed", "18446744073709551616"},
		{"PUT", api.PathInfo, `{"seed":"7"}`, root, api.ErrInvalid, "seed", `seed: "7": want a whole number`},
		{"PUT", api.PathInfo, `{"tx":80}`, root, api.ErrInvalid, "tx", "tx: 80: want text in quotes"},
		{"PUT", api.PathInfo, `{"slave":["eth0"]}`, root, api.ErrInvalid, "slave", "slave: array: want text in quotes"},
		{"PUT", api.PathInfo, `{"judgeNeighbours":"yes"}`, root, api.ErrInvalid, "judgeNeighbours", `judgeNeighbours: "yes": want true or false`},
		{"PUT", api.PathInfo, `{"tx":"percent 0","bogus":1}`, root, api.ErrInvalid, "", "bogus"},
		{"PUT", api.PathInfo, `{"tx":"percent 0"}{}`, root, api.ErrInvalid, "", "more than one"},
		{"PUT", api.PathInfo, `{"tx":"percent 0"`, root, api.ErrInvalid, "", "body"},
		{"PUT", api.PathInfo, ``, root, api.ErrInvalid, "", "empty"},
		{"PUT", api.PathInfo, `[]`, root, api.ErrInvalid, "", "body: array: want a JSON object"},
		{"PUT", api.PathInfo, strings.Repeat("[", 50000), root, api.ErrInvalid, "", "body"},
		{"PUT", api.PathInfo, long, root, api.ErrTooLarge, "", "65536"},
		{"POST", api.PathRules, `{"add":"dns udp tx pass","for":"0s"}`, root, api.ErrInvalid, "for", `for: "0s": want a time from 1ms to 8760h`},
		{"POST", api.PathRules, `{"delete":"dns","confirm":"9000h"}`, root, api.ErrInvalid, "confirm", `confirm: "9000h": want a time`},
		{"POST", api.PathRules, `{"for":"10m"}`, root, api.ErrInvalid, "", "has 0 of add"},
		{"POST", api.PathRules, `{"delete":"dns","for":600}`, root, api.ErrInvalid, "for", "for: 600: want text in quotes"},
		{"PUT", api.PathInfo, `{"tx":"percent 0","for":600}`, root, api.ErrInvalid, "for", "for: 600: want text in quotes"},
		{"PUT", api.PathInfo, `{"tx":"percent 0","lease":"10m"}`, root, api.ErrInvalid, "", "lease"},
		{"PUT", api.PathRulesFile + "?for=10m", `dns: udp tx pass`, root, api.ErrInvalid, "", `query: "for=10m": want none; POST /v1/rules takes more`},
		{"POST", api.PathConfirm, ``, nobody, api.ErrForbidden, "", "may not change insane"},
		{"POST", api.PathConfirm, `{"tx":"pass"}`, root, api.ErrInvalid, "", "tx"},
		{"POST", api.PathConfirm, `all`, root, api.ErrInvalid, "", "body"},
		{"POST", api.PathConfirm, `[]`, root, api.ErrInvalid, "", "want a JSON object"},
		{"PUT", api.PathConfirm, ``, root, api.ErrMethod, "", "want POST"},
		{"GET", api.PathConfirm, ``, root, api.ErrMethod, "", "want POST"},
		{"PUT", api.PathLog, `{}`, root, api.ErrMethod, "", "PUT"},
		{"GET", api.PathLog + "?from=x", ``, nobody, api.ErrInvalid, "from", `from: "x"`},
		{"GET", api.PathLog + "?to=1", ``, nobody, api.ErrInvalid, "", `query: "to": no such parameter`},
		{"PUT", api.PathReplay, replay.Magic, nobody, api.ErrForbidden, "", "may not change insane"},
		{"PUT", api.PathReplay, ``, root, api.ErrInvalid, "replay", "does not begin as one of this version"},
		{"PUT", api.PathReplay, "insaneR\x02", root, api.ErrInvalid, "replay", "does not begin as one of this version"},
		{"PUT", api.PathReplay, replay.Magic + "\x02[]", root, api.ErrInvalid, "replay", "its head makes no sense"},
		{"PUT", api.PathReplay, replay.Magic + "\x02{}", root, api.ErrInvalid, "replay", "cut off"},
		{"PUT", api.PathReplay, strings.Repeat("x", api.MaxReplay+1), root, api.ErrTooLarge, "", "33554432"},
		{"GET", api.PathReplay, ``, root, api.ErrMethod, "", "want PUT"},
		{"POST", api.PathInfo, `{}`, root, api.ErrMethod, "", "POST"},
		{"PUT", api.PathStats, `{}`, root, api.ErrMethod, "", "PUT"},
		{"DELETE", api.PathMetrics, ``, root, api.ErrMethod, "", "DELETE"},
		{"GET", "/v1/nothing", ``, root, api.ErrNotFound, "", "/v1/nothing"},
		{"GET", "/%0a%1b", ``, root, api.ErrNotFound, "", `/\x0a\x1b: no such path`},
	} {
		w := ask(s, c.peer, c.method, c.path, c.body)
		var got api.Error
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Errorf("%s %s %.40s: answer is not JSON: %s", c.method, c.path, c.body, w.Body)
			continue
		}
		if !errors.Is(&got, c.want) || w.Code != c.want.Status() || got.Field != c.field {
			t.Errorf("%s %s %.40s: %d %+v, want %d %s %q", c.method, c.path, c.body, w.Code, got, c.want.Status(), c.want.Code, c.field)
		}
		if !strings.Contains(got.Message, c.says) || strings.Contains(got.Message, "\n") {
			t.Errorf("%s %s %.40s: %q, want one line with %q", c.method, c.path, c.body, got.Message, c.says)
		}
		if d.changes > 0 {
			t.Fatalf("%s %s %.40s reached the device", c.method, c.path, c.body)
		}
	}
}

// If the device returns an *api.Error, it is the answer; any other error is answered as an
// internal error.
func TestDeviceErrors(t *testing.T) {
	for _, c := range []struct{ err, want error }{
		{api.Errorf(api.ErrNoDevice, "slave", "no eth7"), api.ErrNoDevice},
		{errors.New("no memory"), api.ErrInternal},
	} {
		w := ask(newServer(&fake{err: c.err}, Options{}), root, http.MethodPut, api.PathInfo, `{}`)
		var got api.Error
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%v: answer is not JSON: %s", c.err, w.Body)
		}
		if !errors.Is(&got, c.want) || got.Message != c.err.Error() || w.Code != got.Status() {
			t.Errorf("%v: %d %+v, want %v with its message", c.err, w.Code, got, c.want)
		}
	}
}

// The log has each change with the state before it. A peer that may not make changes cannot
// flood the log.
func TestLog(t *testing.T) {
	var log bytes.Buffer
	s := newServer(newFake(), Options{Name: "insane", Log: slog.New(slog.NewTextHandler(&log, nil))})
	ask(s, root, http.MethodPut, api.PathInfo, `{"tx":"percent 80"}`)
	for _, want := range []string{"uid=0", "slave=eth0", `tx="pass -> percent 80"`, `rx="percent 50"`, "seed=7"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in %s", want, &log)
		}
	}
	log.Reset()
	for range 100 {
		ask(s, nobody, http.MethodPut, api.PathInfo, `{"tx":"pass"}`)
	}
	if n := strings.Count(log.String(), "not permitted"); n < 1 || n > 10 {
		t.Errorf("%d lines about 100 refusals", n)
	}
}

// Every user may read, and gets the present state.
func TestState(t *testing.T) {
	d := newFake()
	s := newServer(d, Options{})
	var info api.Info
	if err := json.Unmarshal(ask(s, nobody, http.MethodGet, api.PathInfo, "").Body.Bytes(), &info); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(info, d.info) {
		t.Errorf("got %+v, want %+v", info, d.info)
	}
	var stats api.DeviceStats
	if err := json.Unmarshal(ask(s, nobody, http.MethodGet, api.PathStats, "").Body.Bytes(), &stats); err != nil {
		t.Fatal(err)
	}
	if want := (api.DeviceStats{TX: d.info.TX.Stats, RX: d.info.RX.Stats}); !reflect.DeepEqual(stats, want) {
		t.Errorf("got %+v, want %+v", stats, want)
	}
}
