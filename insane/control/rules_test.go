package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Every user may read the rules, from any of them on, also from behind the last one.
func TestRules(t *testing.T) {
	d := newFake()
	s := newServer(d, Options{})
	for query, from := range map[string]int{"": 0, "?": 0, "?from=0": 0, "?from=1": 1, "?from=2": 2, "?from=3": 3, "?from=2147483647": 1<<31 - 1} {
		w := ask(s, nobody, http.MethodGet, api.PathRules+query, "")
		var got api.RulesPage
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%q: %v in %s", query, err, w.Body)
		}
		want := d.Rules(from)
		if want.Rules == nil {
			want.Rules = []api.Rule{} // not null, for other languages
		}
		if !reflect.DeepEqual(got, want) || w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%q: status %d, %+v, want %+v", query, w.Code, got, want)
		}
	}
}

// Of a rule, only those counts are there that are not 0.
func TestRulesLeaveOutZeros(t *testing.T) {
	body := ask(newServer(newFake(), Options{}), nobody, http.MethodGet, api.PathRules, "").Body.String()
	if !strings.Contains(body, `"dropped":{"policy":{"packets":301,"bytes":302}}`) || strings.Contains(body, api.DropTooBig) {
		t.Errorf("%s", body)
	}
}

// A page is never longer than a client reads, and has one rule at least.
func TestRulesPageIsBounded(t *testing.T) {
	d := newFake()
	long := strings.Repeat("x", 20_000)
	for range 2 * api.MaxRulesPage {
		d.rules = append(d.rules, api.Rule{Name: "r", Match: long})
	}
	s, read := newServer(d, Options{}), 0
	for pages := 0; read < len(d.rules); pages++ {
		body := ask(s, nobody, http.MethodGet, fmt.Sprint(api.PathRules, "?from=", read), "").Body
		if body.Len() > api.MaxRulesBody {
			t.Errorf("%d bytes, more than %d", body.Len(), api.MaxRulesBody)
		}
		var page api.RulesPage
		if err := json.Unmarshal(body.Bytes(), &page); err != nil || len(page.Rules) == 0 || page.From != read || pages > 20 {
			t.Fatalf("page %d: %d rules from %d, %v", pages, len(page.Rules), page.From, err)
		}
		if !reflect.DeepEqual(page.Rules, d.rules[read:read+len(page.Rules)]) {
			t.Errorf("the %d rules from %d are others", len(page.Rules), read)
		}
		read += len(page.Rules)
	}
}

// Every user may read the rules as text.
func TestRulesFile(t *testing.T) {
	d := newFake()
	w := ask(newServer(d, Options{}), nobody, http.MethodGet, api.PathRulesFile, "")
	if kind := w.Header().Get("Content-Type"); w.Body.String() != d.file || w.Code != http.StatusOK || !strings.HasPrefix(kind, "text/plain") {
		t.Errorf("status %d, %s, %q", w.Code, kind, w.Body)
	}
}

// Peers that have not taken the text yet share one copy of it.
func TestRulesFileIsShared(t *testing.T) {
	d := newFake()
	s := newServer(d, Options{})
	text := func() string {
		a := &answered{header: http.Header{}}
		s.rulesFile(a, httptest.NewRequest(http.MethodGet, api.PathRulesFile, nil))
		if len(a.body) != 1 {
			t.Fatalf("%d parts", len(a.body))
		}
		return a.body[0]
	}
	first, second := text(), text()
	if unsafe.StringData(first) != unsafe.StringData(second) {
		t.Error("two copies of one text")
	}
	d.file = "web: tcp both pass\n"
	if got := text(); got != d.file {
		t.Errorf("%q after a change", got)
	}
}

// Each allowed change arrives at the device as it is, and its answer at the peer.
func TestRulesChanges(t *testing.T) {
	text := func(s string) *string { return &s }
	file := "# café \xff\ndns: udp port 53 both pass\n"
	for _, c := range []struct {
		method, path, body string
		want               api.RulesChange
	}{
		{"POST", api.PathRules, `{"add":"dns udp port 53 both pass"}`, api.RulesChange{Add: text("dns udp port 53 both pass")}},
		{"POST", api.PathRules, `{"add":"a b","before":"c"}`, api.RulesChange{Add: text("a b"), Before: text("c")}},
		{"POST", api.PathRules, `{"set":"dns rx pass","add":null}`, api.RulesChange{Set: text("dns rx pass")}},
		{"POST", api.PathRules, `{"delete":""}`, api.RulesChange{Delete: text("")}},
		{"POST", api.PathRules, `{"load":"# none\n"}`, api.RulesChange{Load: text("# none\n")}},
		{"PUT", api.PathRulesFile, file, api.RulesChange{Load: &file}},
		{"PUT", api.PathRulesFile, "", api.RulesChange{Load: text("")}},
		{"PUT", api.PathRulesFile, strings.Repeat("#", api.MaxRulesFile), api.RulesChange{Load: text(strings.Repeat("#", api.MaxRulesFile))}},
	} {
		d := newFake()
		w := ask(newServer(d, Options{}), root, c.method, c.path, c.body)
		var got api.RulesChanged
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || got != (api.RulesChanged{Total: 2, Version: 6}) {
			t.Errorf("%s %.40q: status %d, %s", c.path, c.body, w.Code, w.Body)
		}
		if !reflect.DeepEqual(d.asked, c.want) {
			t.Errorf("%s %.40q: the device got something else", c.path, c.body)
		}
	}
}

// Bad requests about rules do not reach the device. The answer is one line of JSON.
func TestRulesRefusals(t *testing.T) {
	d := newFake()
	s := newServer(d, Options{Name: "insane"})
	for _, c := range []struct {
		method, path, body string
		peer               host.Peer
		want               *api.Error
		field, says        string
	}{
		{"GET", api.PathRules + "?from=x", "", nobody, api.ErrInvalid, "from", `from: "x": want a whole number from 0 to 2^31-1`},
		{"GET", api.PathRules + "?from=-1", "", nobody, api.ErrInvalid, "from", `from: "-1": want`},
		{"GET", api.PathRules + "?from=", "", nobody, api.ErrInvalid, "from", `from: "": want`},
		{"GET", api.PathRules + "?from", "", nobody, api.ErrInvalid, "from", `from: "": want`},
		{"GET", api.PathRules + "?from=2147483648", "", nobody, api.ErrInvalid, "from", "2147483648"},
		{"GET", api.PathRules + "?from=" + strings.Repeat("9", 9000), "", nobody, api.ErrInvalid, "from", "999…"},
		{"GET", api.PathRules + "?from=1&from=2", "", nobody, api.ErrInvalid, "from", "given 2 times"},
		{"GET", api.PathRules + "?form=1", "", nobody, api.ErrInvalid, "", `query: "form": no such parameter, want from`},
		{"GET", api.PathRules + "?%0a%1b", "", nobody, api.ErrInvalid, "", `query: "\n\x1b"`},
		{"GET", api.PathRules + "?from=%zz", "", nobody, api.ErrInvalid, "", "query: "},
		{"PUT", api.PathRules, "{}", root, api.ErrMethod, "", "want GET, HEAD, POST"},
		{"DELETE", api.PathRules, "", root, api.ErrMethod, "", "DELETE"},
		{"POST", api.PathRulesFile, "", root, api.ErrMethod, "", "want GET, HEAD, PUT"},
		{"POST", api.PathRules, `{"delete":"dns"}`, nobody, api.ErrForbidden, "", "may not change insane"},
		{"PUT", api.PathRulesFile, "", nobody, api.ErrForbidden, "", "may not change insane"},
		{"POST", api.PathRules, "", root, api.ErrInvalid, "", "body: empty"},
		{"POST", api.PathRules, "{}", root, api.ErrInvalid, "", "body: has 0 of add, set, delete and load"},
		{"POST", api.PathRules, `{"add":"a","set":"b"}`, root, api.ErrInvalid, "", "body: has 2 of"},
		{"POST", api.PathRules, `{"set":"b","before":"c"}`, root, api.ErrInvalid, "before", `before: "c": only with add`},
		{"POST", api.PathRules, `{"before":"c"}`, root, api.ErrInvalid, "", "body: has 0 of"},
		{"POST", api.PathRules, `{"add":7}`, root, api.ErrInvalid, "add", "add: 7: want text in quotes"},
		{"POST", api.PathRules, `{"del":"dns"}`, root, api.ErrInvalid, "", `"del"`},
		{"POST", api.PathRules, `{"delete":"a"}{"delete":"b"}`, root, api.ErrInvalid, "", "more than one"},
		{"POST", api.PathRules, `[]`, root, api.ErrInvalid, "", "want a JSON object"},
		{"POST", api.PathRules, strings.Repeat(" ", api.MaxRulesFile+1), root, api.ErrTooLarge, "", "16777216"},
		{"PUT", api.PathRulesFile, strings.Repeat(" ", api.MaxRulesFile+1), root, api.ErrTooLarge, "", "16777216"},
	} {
		w := ask(s, c.peer, c.method, c.path, c.body)
		var got api.Error
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Errorf("%s %.40s %.40s: answer is not JSON: %s", c.method, c.path, c.body, w.Body)
			continue
		}
		if !errors.Is(&got, c.want) || w.Code != c.want.Status() || got.Field != c.field {
			t.Errorf("%s %.40s %.40s: %d %+v, want %d %s %q", c.method, c.path, c.body, w.Code, got, c.want.Status(), c.want.Code, c.field)
		}
		if !strings.Contains(got.Message, c.says) || strings.Contains(got.Message, "\n") || len(got.Message) > 500 {
			t.Errorf("%s %.40s %.40s: %q, want one line with %q", c.method, c.path, c.body, got.Message, c.says)
		}
		if d.changes > 0 {
			t.Fatalf("%s %.40s %.40s reached the device", c.method, c.path, c.body)
		}
	}
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body of a peer that may not make changes is read")
	return 0, io.EOF
}

// The body of a peer that may not make changes is not read.
func TestRulesBodyIsReadLast(t *testing.T) {
	s := newServer(newFake(), Options{})
	for path, method := range map[string]string{api.PathRules: http.MethodPost, api.PathRulesFile: http.MethodPut} {
		r := httptest.NewRequest(method, path, unread{t})
		w := httptest.NewRecorder()
		s.handler().ServeHTTP(w, r) // no peer: nobody
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
}

// An error of the device is the answer.
func TestRulesDeviceErrors(t *testing.T) {
	d := newFake()
	d.err = api.Errorf(api.ErrInvalid, "rule", `rule "dns": exists already`)
	for path, method := range map[string]string{api.PathRules: http.MethodPost, api.PathRulesFile: http.MethodPut} {
		w := ask(newServer(d, Options{}), root, method, path, `{"add":"dns"}`)
		var got api.Error
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusBadRequest || got.Message != d.err.Error() || got.Field != "rule" {
			t.Errorf("%s: status %d, %s", path, w.Code, w.Body)
		}
	}
}

// The log has a line for each change of the rules, with the peer and every member that the
// change has; of a file, its length.
func TestRulesAreLogged(t *testing.T) {
	change := reflect.TypeFor[api.RulesChange]()
	for n := range change.NumField() {
		name, _, _ := strings.Cut(change.Field(n).Tag.Get("json"), ",")
		body := fmt.Sprintf(`{%q:"web tcp both pass"}`, name)
		if name == "before" || name == "session" {
			body = fmt.Sprintf(`{"add":"a",%q:"web tcp both pass"}`, name)
		}
		isTime := name == "for" || name == "confirm"
		if isTime {
			body = fmt.Sprintf(`{"add":"a",%q:"10m"}`, name)
		}
		want := "uid=0 gid=0 pid=0 command=(unknown)"
		if name == "load" {
			want += ` load="17 bytes" total=2`
		} else if name != "before" && name != "session" && !isTime {
			want += " " + name + `="web tcp both pass" total=2`
		}
		var log bytes.Buffer
		s := newServer(newFake(), Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		ask(s, root, http.MethodPost, api.PathRules, body)
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, want) || !strings.Contains(text, " "+name+"=") {
			t.Errorf("%s: %q, want one line with %q", name, text, want)
		}
	}
	var log bytes.Buffer
	s := newServer(newFake(), Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	ask(s, root, http.MethodPost, api.PathRules, `{"add":"`+strings.Repeat("x", 100_000)+`"}`)
	if n := log.Len(); n > 1000 {
		t.Errorf("a line of %d bytes", n)
	}
}
