package insane

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insane/port/porttest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

var root = port.Peer{UID: 0, GID: 0}

// ask sends one request as peer, without a socket.
func ask(d *Device, peer port.Peer, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r = r.WithContext(context.WithValue(r.Context(), peerKey{}, peer))
	w := httptest.NewRecorder()
	d.handler().ServeHTTP(w, r)
	return w
}

// idle is a device that relays nothing.
func idle(t *testing.T) *Device {
	t.Helper()
	d := New(porttest.New(0, 0), nil, Options{Name: "insane", Seed: 7})
	t.Cleanup(func() { d.Close() })
	return d
}

func TestInfo(t *testing.T) {
	d := idle(t)
	w := ask(d, nobody, http.MethodGet, api.PathInfo, "")
	var got api.Info
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d, %v: %s", w.Code, err, w.Body)
	}
	if want := d.State(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if len(got.TX.Stats.Dropped) != int(reasons) {
		t.Errorf("%d reasons shown, want all %d", len(got.TX.Stats.Dropped), reasons)
	}
}

// A change is read back, and what it does not name stays.
func TestPut(t *testing.T) {
	d := idle(t)
	for _, step := range []struct {
		body string
		tx   string
		seed uint64
	}{
		{`{"tx":"percent 80"}`, "percent 80", 7},
		{`{"seed":18446744073709551615}`, "percent 80", 1<<64 - 1},
		{`{"tx":"time 50 100","rx":"pass","receive":"none"}`, "time 500ms 1s", 1<<64 - 1},
		{`{}`, "time 500ms 1s", 1<<64 - 1},
	} {
		w := ask(d, root, http.MethodPut, api.PathInfo, step.body)
		var got api.Info
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s: status %d, %v: %s", step.body, w.Code, err, w.Body)
		}
		if got.TX.Policy != step.tx || got.Seed != step.seed {
			t.Errorf("%s: tx %q seed %d, want %q %d", step.body, got.TX.Policy, got.Seed, step.tx, step.seed)
		}
	}
}

// A request that cannot be carried out as a whole changes nothing.
func TestBadRequests(t *testing.T) {
	d := idle(t)
	before := d.State()
	long := `{"tx":"` + strings.Repeat("x", api.MaxBody) + `"}`
	for _, c := range []struct {
		method, path, body string
		peer               port.Peer
		want               *api.Error
		field, says        string
	}{
		{"PUT", api.PathInfo, `{"tx":"percent 0"}`, nobody, api.ErrForbidden, "", "may not change insane"},
		{"PUT", api.PathInfo, `{"tx":"percent 0","rx":"percent 50"}`, root, api.ErrInvalid, "rx", `"percent 50"`},
		{"PUT", api.PathInfo, `{"tx":"percent 200"}`, root, api.ErrInvalid, "tx", "200"},
		{"PUT", api.PathInfo, `{"seed":1,"tx":"percent"}`, root, api.ErrInvalid, "tx", "percent"},
		{"PUT", api.PathInfo, `{"seed":-1}`, root, api.ErrInvalid, "seed", "-1"},
		{"PUT", api.PathInfo, `{"seed":1.5}`, root, api.ErrInvalid, "seed", "1.5"},
		{"PUT", api.PathInfo, `{"seed":"7"}`, root, api.ErrInvalid, "seed", "string"},
		{"PUT", api.PathInfo, `{"tx":"percent 0","receive":"all"}`, root, api.ErrInvalid, "receive", `"all"`},
		{"PUT", api.PathInfo, `{"tx":"percent 0","slave":"eth0"}`, root, api.ErrInvalid, "slave", "eth0"},
		{"PUT", api.PathInfo, `{"tx":"percent 0","bogus":1}`, root, api.ErrInvalid, "", "bogus"},
		{"PUT", api.PathInfo, `{"tx":"percent 0"}{}`, root, api.ErrInvalid, "", "more than one"},
		{"PUT", api.PathInfo, `{"tx":"percent 0"`, root, api.ErrInvalid, "", "body"},
		{"PUT", api.PathInfo, ``, root, api.ErrInvalid, "", "empty"},
		{"PUT", api.PathInfo, `[]`, root, api.ErrInvalid, "", "body"},
		{"PUT", api.PathInfo, strings.Repeat("[", 50000), root, api.ErrInvalid, "", "body"},
		{"PUT", api.PathInfo, long, root, api.ErrTooLarge, "", "65536"},
		{"POST", api.PathInfo, `{}`, root, api.ErrMethod, "", "POST"},
		{"PUT", api.PathStats, `{}`, root, api.ErrMethod, "", "PUT"},
		{"DELETE", api.PathMetrics, ``, root, api.ErrMethod, "", "DELETE"},
		{"GET", "/v1/nothing", ``, root, api.ErrNotFound, "", "/v1/nothing"},
	} {
		w := ask(d, c.peer, c.method, c.path, c.body)
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
		if after := d.State(); !reflect.DeepEqual(before, after) {
			t.Fatalf("%s %s %.40s changed the device: %+v", c.method, c.path, c.body, after)
		}
	}
}

func TestMetricsAreTheCounters(t *testing.T) {
	near, far := porttest.New(64, 64), porttest.New(64, 64)
	d := started(t, near, far, Options{Name: "insane", TX: mustParse(t, "percent 50"), Seed: 3})
	go feed(near, 1000, 1, indexLen)
	relayed := len(arrived(d, far, indexLen, 1000))
	body := ask(d, nobody, http.MethodGet, api.PathMetrics, "").Body.String()
	for _, want := range []string{
		`insane_packets_total{device="insane",direction="tx",what="offered"} 1000`,
		`insane_packets_total{device="insane",direction="tx",what="relayed"} ` + itoa(relayed),
		`insane_dropped_packets_total{device="insane",direction="tx",reason="policy"} ` + itoa(1000-relayed),
		`insane_dropped_packets_total{device="insane",direction="rx",reason="too-big"} 0`,
		`insane_stage_dropped_packets_total{device="insane",direction="tx",stage="percent"} ` + itoa(1000-relayed),
		`insane_stage_dropped_bytes_total{device="insane",direction="tx",stage="time"} 0`,
		`insane_verdicts{device="insane",direction="tx",verdict="relay"} ` + itoa(relayed),
		`insane_seed{device="insane"} 3`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no line %q in\n%s", want, body)
		}
	}
}

func itoa(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

// Whatever comes as a body, decode answers with a change or with one line.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"slave":"eth0","tx":"percent 80","rx":"pass","seed":7}`, `{}`, `null`, `[[[[`,
		`{"tx":null}`, `{"seed":1e400}`, `{"tx":"\u0000"}`, `{"tx":1}{}`, "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		c, err := decode(io.LimitReader(strings.NewReader(body), api.MaxBody))
		var refusal *api.Error
		switch {
		case err == nil:
			if _, err := json.Marshal(c); err != nil {
				t.Errorf("%q: decoded to what cannot be said: %v", body, err)
			}
		case !errors.As(err, &refusal):
			t.Errorf("%q: %T is no answer to a peer", body, err)
		case refusal.Status() >= 500 || refusal.Message == "":
			t.Errorf("%q: %+v blames the machine", body, refusal)
		}
	})
}
