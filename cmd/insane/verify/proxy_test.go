package verify

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// proxy answers as the daemon does, but for what lie changes. It returns its socket.
func proxy(t *testing.T, b *testbed.Bed, lie func(*api.Info, []api.Rule)) string {
	t.Helper()
	answer := func(w http.ResponseWriter, v any, err error) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(v)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+api.PathInfo, func(w http.ResponseWriter, _ *http.Request) {
		info, err := b.Daemon.Client.Info(context.Background())
		lie(&info, nil)
		answer(w, info, err)
	})
	mux.HandleFunc("GET "+api.PathRules, func(w http.ResponseWriter, _ *http.Request) {
		rules, err := b.Daemon.Client.Rules(context.Background())
		lie(new(api.Info), rules)
		answer(w, api.RulesPage{Rules: rules, Total: len(rules)}, err)
	})
	socket := filepath.Join(t.TempDir(), "lie.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(mux)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return socket
}
