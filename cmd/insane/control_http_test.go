package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestCurl: no client of ours is needed.
func TestCurl(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	socket := socketPath(t, "insane")
	start(t, l, socket, "--slave", "eth0", "--address", "10.9.0.3", "--policy", "percent 60", "--seed", "9").ready(t)

	var info api.Info
	curl(t, l, &info, socket, "/v1/info")
	if info.Name != "insane" || info.Slave != "eth0" || info.TX.Policy != "percent 60" || info.Seed != 9 || !info.Carrier {
		t.Errorf("info: %+v", info)
	}
	curl(t, l, &info, socket, "/v1/info", "-X", "PUT", "-d", `{"tx":"time 2s 500ms"}`)
	if info.TX.Policy != "time 2s 500ms" || info.Seed != 9 {
		t.Errorf("info after a change: %+v", info)
	}
	var refusal api.Error
	curl(t, l, &refusal, socket, "/v1/info", "-X", "PUT", "-d", `{"tx":"percent 200","seed":1}`)
	if refusal.Code != api.CodeInvalid || refusal.Field != "tx" || !strings.Contains(refusal.Message, "200") {
		t.Errorf("refusal: %+v", refusal)
	}
	curl(t, l, &info, socket, "/v1/info")
	if info.TX.Policy != "time 2s 500ms" || info.Seed != 9 {
		t.Errorf("a refused change changed something: %+v", info)
	}
}

// TestNonsenseIsRefusedInJSON: also what is refused can be read by a program.
func TestNonsenseIsRefusedInJSON(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := newDaemon(t, l)
	kept := keptConnection(l, d.Socket)
	defer kept.CloseIdleConnections()
	for _, tt := range []struct {
		method, url, body string
		status            int
		code              string
	}{
		{"GET", "/", "", 404, api.CodeNotFound},
		{"GET", "/v1/info/", "", 404, api.CodeNotFound},
		{"GET", "/v1//info", "", 404, api.CodeNotFound},
		{"GET", "/../v1/info", "", 404, api.CodeNotFound},
		{"GET", "/v2/info", "", 404, api.CodeNotFound},
		{"DELETE", "/v1/info", "", 405, api.CodeMethod},
		{"PUT", "/v1/stats", "{}", 405, api.CodeMethod},
		{"POST", "/metrics", "", 405, api.CodeMethod},
		{"PUT", "/v1/info", "", 400, api.CodeInvalid},
		{"PUT", "/v1/info", "[]", 400, api.CodeInvalid},
		{"PUT", "/v1/info", `{"tx":7}`, 400, api.CodeInvalid},
		{"PUT", "/v1/info", `{"colour":"red"}`, 400, api.CodeInvalid},
		{"PUT", "/v1/info", `{"tx":"pass"} {}`, 400, api.CodeInvalid},
		{"PUT", "/v1/info", `{"seed":-1}`, 400, api.CodeInvalid},
		{"PUT", "/v1/info", `{"slave":"nosuch"}`, 422, api.CodeNoDevice},
		{"PUT", "/v1/info", strings.Repeat(" ", api.MaxBody+1), 413, api.CodeTooLarge},
	} {
		req, err := http.NewRequest(tt.method, "http://insane"+tt.url, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := kept.Transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		var said api.Error
		err = json.NewDecoder(resp.Body).Decode(&said)
		resp.Body.Close()
		if err != nil || resp.StatusCode != tt.status || said.Code != tt.code || strings.ContainsAny(said.Message, "\n") || said.Message == "" {
			t.Errorf("%s %s %.30q: status %d, %+v, %v; want %d, %s", tt.method, tt.url, tt.body, resp.StatusCode, said, err, tt.status, tt.code)
		}
	}
}

// curl decodes the answer into v.
func curl(t *testing.T, l *lab.Lab, v any, socket, path string, args ...string) {
	t.Helper()
	args = append([]string{"-sS", "--max-time", "10", "--unix-socket", socket, "http://insane" + path}, args...)
	if err := json.Unmarshal([]byte(run(t, l.Borea, "curl", args...)), v); err != nil {
		t.Errorf("%s: %v", path, err)
	}
}

// TestMetricsAreTheStats: what Prometheus reads is what /v1/stats says, reason by
// reason, when packets were relayed, dropped by policy and too big.
func TestMetricsAreTheStats(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := newDaemon(t, l, "--slave", "eth0", "--policy", "percent 50", "--address", "10.9.0.3/32")
	silence(t, l)
	into := newInjector(t, l, "insane")
	into.send(500, 200)
	_, dropped := settledStats(t, d, api.Stats{}, 500)
	if dropped[api.DropPolicy] == 0 {
		t.Fatal("nothing was dropped, so nothing is compared")
	}

	if diff := metricsDiff(t, l, d); diff != "" {
		t.Errorf("metrics (-stats +metrics):\n%s", diff)
	}
}

// metricsDiff is in what Prometheus reads something else than /v1/stats says. While
// packets are sent there may be something.
func metricsDiff(t testing.TB, l *lab.Lab, d *lab.Daemon) string {
	t.Helper()
	now := info(t, d)
	stats, err := d.Client.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := run(t, l.Borea, "curl", "-sS", "--max-time", "10", "--abstract-unix-socket", strings.TrimPrefix(d.Socket, "@"), "http://insane/metrics")
	got := samples(t, text)
	want := make(map[string]uint64)
	addSamples(want, "tx", stats.TX)
	addSamples(want, "rx", stats.RX)
	for direction, d := range map[string]api.Direction{"tx": now.TX, "rx": now.RX} {
		fast := sample("fast_path", "direction", direction)
		if want[fast] = 0; d.Path == api.PathKernel {
			want[fast] = 1
		}
	}
	for name := range got {
		if _, known := want[name]; !known && !strings.Contains(name, "direction=") {
			delete(got, name) // of the device and not of a direction
		}
	}
	for _, direction := range []string{"tx", "rx"} {
		for _, verdict := range []string{"relay", "drop"} {
			delete(got, sample("verdicts", "direction", direction, "verdict", verdict)) // are not in the stats
		}
	}
	return cmp.Diff(want, got)
}

func addSamples(m map[string]uint64, direction string, s api.Stats) {
	for what, c := range map[string]api.Count{"offered": s.Offered, "relayed": s.Relayed} {
		m[sample("packets_total", "direction", direction, "what", what)] = c.Packets
		m[sample("bytes_total", "direction", direction, "what", what)] = c.Bytes
	}
	for reason, c := range s.Dropped {
		m[sample("dropped_packets_total", "direction", direction, "reason", reason)] = c.Packets
		m[sample("dropped_bytes_total", "direction", direction, "reason", reason)] = c.Bytes
	}
	for stage, c := range s.Stages {
		m[sample("stage_dropped_packets_total", "direction", direction, "stage", stage)] = c.Packets
		m[sample("stage_dropped_bytes_total", "direction", direction, "stage", stage)] = c.Bytes
	}
	m[sample("overrun_frames_total", "direction", direction)] = s.Overruns
}

// sample is a name as Prometheus' text format has it, labels sorted by name.
func sample(metric string, labels ...string) string {
	text := fmt.Sprintf(`insane_%s{device="insane"`, metric)
	for i := 0; i < len(labels); i += 2 {
		text += fmt.Sprintf(`,%s=%q`, labels[i], labels[i+1])
	}
	return text + "}"
}

// samples reads the text format; every metric must have a help and a type.
func samples(t testing.TB, text string) map[string]uint64 {
	t.Helper()
	all, described := make(map[string]uint64), make(map[string]int)
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if fields[0] == "#" {
			described[fields[2]]++
			continue
		}
		value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			t.Errorf("%q: %v", lines.Text(), err)
		}
		name := strings.TrimSuffix(lines.Text(), " "+fields[len(fields)-1])
		if metric, _, _ := strings.Cut(name, "{"); described[metric] != 2 {
			t.Errorf("%s has no help or no type", metric)
		}
		all[name] = uint64(value)
	}
	return all
}

// TestNotify: a service manager hears when the device is there and when it
// begins to go, and the device answers by then.
func TestNotify(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	heard := func(want string) {
		t.Helper()
		message := make([]byte, 1000)
		manager.SetReadDeadline(time.Now().Add(patience))
		n, err := manager.Read(message)
		if err != nil || string(message[:n]) != want {
			t.Errorf("heard %q, %v; want %q", message[:n], err, want)
		}
	}
	i := startWith(t, l, []string{"NOTIFY_SOCKET=" + path}, "@insane", "--slave", "eth0")
	heard("READY=1")
	if _, err := i.Client.Info(t.Context()); err != nil {
		t.Errorf("READY, but: %v", err)
	}
	i.signal(syscall.SIGTERM)
	heard("STOPPING=1")
	if code := i.end(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
