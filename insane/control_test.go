package insane

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insane/control"
	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/port/porttest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// peer is a client of a device's control socket. It runs as the user of the device, so it
// may make changes.
type peer struct {
	t      *testing.T
	client http.Client
}

// serve answers on a new control socket until the test ends.
func serve(t *testing.T, d *Device) *peer {
	t.Helper()
	path := t.TempDir() + "/insane.sock"
	l, err := host.ListenControl(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- control.Serve(ctx, l, d, control.Options{Name: d.name, Log: d.log}) }()
	t.Cleanup(func() {
		cancel()
		l.Close()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &peer{t: t, client: http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// ask sends one request and returns the status and the body of the answer.
func (p *peer) ask(method, path, body string) (int, []byte) {
	p.t.Helper()
	r, err := http.NewRequest(method, "http://insane"+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	w, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer w.Body.Close()
	got, err := io.ReadAll(w.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return w.StatusCode, got
}

// idle is a device that relays nothing.
func idle(t *testing.T) *Device {
	t.Helper()
	d := New(porttest.New(0, 0), nil, Config{Name: "insane", Seed: 7})
	t.Cleanup(func() { d.Close() })
	return d
}

func TestInfo(t *testing.T) {
	d := idle(t)
	status, body := serve(t, d).ask(http.MethodGet, api.PathInfo, "")
	var got api.Info
	if err := json.Unmarshal(body, &got); err != nil || status != http.StatusOK {
		t.Fatalf("status %d, %v: %s", status, err, body)
	}
	if want := d.State(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if len(got.TX.Stats.Dropped) != len(api.DropReasons()) {
		t.Errorf("%d reasons shown, want all %d", len(got.TX.Stats.Dropped), len(api.DropReasons()))
	}
}

// A change can be read back, and members that it does not name do not change.
func TestPut(t *testing.T) {
	p := serve(t, idle(t))
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
		status, body := p.ask(http.MethodPut, api.PathInfo, step.body)
		var got api.Info
		if err := json.Unmarshal(body, &got); err != nil || status != http.StatusOK {
			t.Fatalf("%s: status %d, %v: %s", step.body, status, err, body)
		}
		if got.TX.Policy != step.tx || got.Seed != step.seed {
			t.Errorf("%s: tx %q seed %d, want %q %d", step.body, got.TX.Policy, got.Seed, step.tx, step.seed)
		}
	}
}

// A request that cannot be carried out completely changes nothing.
func TestBadRequests(t *testing.T) {
	d := idle(t)
	p := serve(t, d)
	before := d.State()
	for _, c := range []struct {
		body        string
		want        *api.Error
		field, says string
	}{
		{`{"tx":"percent 0","rx":"percent 50"}`, api.ErrInvalid, "rx", `"percent 50"`},
		{`{"tx":"percent 200"}`, api.ErrInvalid, "tx", "200"},
		{`{"seed":1,"tx":"percent"}`, api.ErrInvalid, "tx", "percent"},
		{`{"seed":-1}`, api.ErrInvalid, "seed", "-1"},
		{`{"tx":"percent 0","receive":"all"}`, api.ErrInvalid, "receive", `"all"`},
		{`{"tx":"percent 0","slave":"eth0"}`, api.ErrInvalid, "slave", "eth0"},
		{`{"tx":"percent 0","bogus":1}`, api.ErrInvalid, "", "bogus"},
		{`{"tx":"percent 0"}{}`, api.ErrInvalid, "", "more than one"},
	} {
		status, body := p.ask(http.MethodPut, api.PathInfo, c.body)
		var got api.Error
		if err := json.Unmarshal(body, &got); err != nil {
			t.Errorf("%s: answer is not JSON: %s", c.body, body)
			continue
		}
		if !errors.Is(&got, c.want) || status != c.want.Status() || got.Field != c.field {
			t.Errorf("%s: %d %+v, want %d %s %q", c.body, status, got, c.want.Status(), c.want.Code, c.field)
		}
		if !strings.Contains(got.Message, c.says) || strings.Contains(got.Message, "\n") {
			t.Errorf("%s: %q, want one line with %q", c.body, got.Message, c.says)
		}
		if after := d.State(); !reflect.DeepEqual(before, after) {
			t.Fatalf("%s changed the device: %+v", c.body, after)
		}
	}
}

func TestMetricsAreTheCounters(t *testing.T) {
	near, far := porttest.New(64, 64), porttest.New(64, 64)
	d := started(t, near, far, Config{Name: "insane", Policy: mustParse(t, "percent 50"), Seed: 3})
	go feed(near, 1000, 1, porttest.IndexLen)
	relayed := len(arrived(d, far, porttest.IndexLen, 1000))
	_, body := serve(t, d).ask(http.MethodGet, api.PathMetrics, "")
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
		if !strings.Contains(string(body), want+"\n") {
			t.Errorf("no line %q in\n%s", want, body)
		}
	}
}

func itoa(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}
