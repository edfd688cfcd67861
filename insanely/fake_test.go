package insanely

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed-39a139a1/insane/insanely/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// socketIn makes a directory with a name short enough for a socket in it, which
// t.TempDir does not promise.
func socketIn(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "insanely")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "insane.sock")
}

// serve listens on socket until the test ends.
func serve(t *testing.T, socket string, handler http.HandlerFunc) {
	t.Helper()
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
}

// dialFake is a client of a daemon that answers with handler.
func dialFake(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	socket := socketIn(t)
	serve(t, socket, handler)
	return dial(t, socket)
}

func dial(t *testing.T, socket string) *Client {
	t.Helper()
	client := Dial(socket)
	t.Cleanup(func() { client.Close() })
	return client
}

// leaveDead leaves a socket in the file system that nobody listens on, as a
// killed daemon does.
func leaveDead(t *testing.T, socket string) {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	listener.Close()
}

// listenSilent accepts into the backlog and never answers, as a stopped daemon.
func listenSilent(t *testing.T, socket string) {
	t.Helper()
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		w.Write([]byte(body))
	}
}

func answerJSON(t *testing.T, v any) http.HandlerFunc {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return answer(http.StatusOK, string(body))
}

// sampleInfo has no member at its zero value, so that a lost one is seen.
func sampleInfo() api.Info {
	direction := func(policy string, n uint64) api.Direction {
		return api.Direction{
			Policy:   policy,
			Verdicts: api.Verdicts{Relay: n, Drop: n + 1},
			Stats:    sampleStats(n),
		}
	}
	return api.Info{
		Name: "insane", Slave: "eth0", SlaveState: api.SlaveUp, Carrier: true, MTU: 1500,
		Receive: api.ReceiveAuto,
		Takes:   api.Takes{To: []string{"10.9.0.1", "fd00:9::1"}, From: []string{"10.9.0.2", "10.8.0.0/24"}, More: 12, Idle: "insane is down"},
		Path:    api.PathRelay, PathReason: "no eBPF", Seed: 1<<64 - 1, LogDropped: 9,
		TX: direction("percent 60", 100), RX: direction("pass", 200),
	}
}

func sampleStats(n uint64) api.Stats {
	stats := api.Stats{
		Offered: api.Count{Packets: n + 2, Bytes: n + 3}, Relayed: api.Count{Packets: n + 4, Bytes: n + 5},
		Held: api.Count{Packets: n + 6, Bytes: n + 7}, Dropped: map[string]api.Count{}, Overruns: n + 8,
	}
	for i, reason := range api.DropReasons() {
		stats.Dropped[reason] = api.Count{Packets: n + uint64(i), Bytes: n + 10*uint64(i)}
	}
	return stats
}

// calls are all requests of a client, for what holds for each of them.
var calls = map[string]func(context.Context, *Client) error{
	"Info": func(ctx context.Context, c *Client) error { _, err := c.Info(ctx); return err },
	"Set":  func(ctx context.Context, c *Client) error { _, err := c.Set(ctx, api.Change{}); return err },
	"Stats": func(ctx context.Context, c *Client) error {
		_, err := c.Stats(ctx)
		return err
	},
	"Rules": func(ctx context.Context, c *Client) error { _, err := c.Rules(ctx); return err },
	"ChangeRules": func(ctx context.Context, c *Client) error {
		_, err := c.ChangeRules(ctx, api.RulesChange{})
		return err
	},
}
