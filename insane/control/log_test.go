package control

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// A confirmation is for those who may make changes, and is answered with the state.
func TestConfirm(t *testing.T) {
	for _, body := range []string{"", "{}", " {} \n"} {
		var log bytes.Buffer
		d := newFake()
		s := newServer(d, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		w := ask(s, host.Peer{UID: 0, GID: 7, PID: 9}, http.MethodPost, api.PathConfirm, body)
		var info api.Info
		if err := json.Unmarshal(w.Body.Bytes(), &info); err != nil || w.Code != http.StatusOK || info.Name != d.info.Name {
			t.Errorf("%q: status %d, %v: %s", body, w.Code, err, w.Body)
		}
		if want := (api.Peer{GID: 7, PID: 9}); d.changes != 1 || *d.by != want {
			t.Errorf("%q: %d changes by %+v", body, d.changes, d.by)
		}
		if want := `msg=confirmed uid=0 gid=7 pid=9`; !strings.Contains(log.String(), want) {
			t.Errorf("no %s in %s", want, &log)
		}
	}
	d := newFake()
	d.err = api.Errorf(api.ErrNoLease, "", "nothing waits")
	w := ask(newServer(d, Options{}), root, http.MethodPost, api.PathConfirm, "")
	if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), `"code":"no-lease"`) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

// Everybody may read the log, from any entry on.
func TestLogIsRead(t *testing.T) {
	d := newFake()
	d.log = []api.LogEntry{{Number: 1, Members: []api.Transition{}}, {Number: 2, Who: api.WhoLease, Members: []api.Transition{{Member: "tx", From: "pass", To: "percent 5"}}}}
	for query, want := range map[string][]api.LogEntry{"": d.log, "?from=0": d.log, "?from=1": d.log[1:], "?from=2": {}} {
		w := ask(newServer(d, Options{}), nobody, http.MethodGet, api.PathLog+query, "")
		var page api.LogPage
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || page.Last != 2 || len(page.Entries) != len(want) || len(want) > 0 && !reflect.DeepEqual(page.Entries, want) {
			t.Errorf("%s: %v: %s, want %v", query, err, w.Body, want)
		}
	}
}
