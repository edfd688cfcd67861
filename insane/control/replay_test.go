package control

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insane/replay"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// A recording reaches the device, and the log tells who has sent it; the answer is the state after it.
func TestReplay(t *testing.T) {
	b, err := replay.NewBuilder(ledger.Header{})
	if err != nil {
		t.Fatal(err)
	}
	body, err := b.Body(replay.Head{Name: "run.pcapng", Setup: ledger.Setup{TX: "pass", RX: "pass"}})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	d := newFake()
	w := ask(newServer(d, Options{Name: "insane", Log: slog.New(slog.NewTextHandler(&log, nil))}), root, http.MethodPut, api.PathReplay, string(body))
	var got api.Info
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || got.Replay == nil || got.Replay.Name != "run.pcapng" || d.changes != 1 {
		t.Errorf("%d %s, %v", w.Code, w.Body, err)
	}
	if !strings.Contains(log.String(), "replay begins") || !strings.Contains(log.String(), "name=run.pcapng") {
		t.Errorf("the log says %s", &log)
	}
}

// The limit of both sides is one number.
func TestReplayLimit(t *testing.T) {
	if api.MaxReplay != replay.MaxBody {
		t.Errorf("%d and %d", api.MaxReplay, replay.MaxBody)
	}
}
