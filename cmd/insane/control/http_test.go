package control

import (
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestCurl: curl can control the device; no client of this project is needed.
func TestCurl(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	socket := testbed.SocketPath(t, "insane")
	testbed.Start(t, l, socket, "--slave", "eth0", "--address", "10.9.0.3", "--policy", "percent 60", "--seed", "9").Ready(t)

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

// TestNonsenseIsRefusedInJSON: a program can also read the answer to an invalid request.
func TestNonsenseIsRefusedInJSON(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l)
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
	if err := json.Unmarshal([]byte(labtest.Run(t, l.Borea, "curl", args...)), v); err != nil {
		t.Errorf("%s: %v", path, err)
	}
}

// TestMetricsAreTheStats: the metrics for Prometheus equal /v1/stats for each reason, after
// packets were relayed, dropped by policy and too big.
func TestMetricsAreTheStats(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--policy", "percent 50", "--address", "10.9.0.3/32")
	testbed.Silence(t, l)
	into := testbed.NewInjector(t, l, "insane")
	into.Send(500, 200)
	_, dropped := testbed.SettledStats(t, d, api.Stats{}, 500)
	if dropped[api.DropPolicy] == 0 {
		t.Fatal("nothing was dropped, so nothing is compared")
	}

	if diff := testbed.MetricsDiff(t, l, d); diff != "" {
		t.Errorf("metrics (-stats +metrics):\n%s", diff)
	}
}

// TestNotify: the service manager is notified when the device works, and when it begins to
// end. At the first notification the device answers.
func TestNotify(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	heard := func(want string) {
		t.Helper()
		message := make([]byte, 1000)
		manager.SetReadDeadline(time.Now().Add(labtest.Patience))
		n, err := manager.Read(message)
		if err != nil || string(message[:n]) != want {
			t.Errorf("heard %q, %v; want %q", message[:n], err, want)
		}
	}
	i := testbed.StartWith(t, l, []string{"NOTIFY_SOCKET=" + path}, "@insane", "--slave", "eth0")
	heard("READY=1")
	if _, err := i.Client.Info(t.Context()); err != nil {
		t.Errorf("READY, but: %v", err)
	}
	i.Signal(syscall.SIGTERM)
	heard("STOPPING=1")
	if code := i.End(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
