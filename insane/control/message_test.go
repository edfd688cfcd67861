package control

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// For every body, decode returns a change or an error of one line.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"slave":"eth0","tx":"percent 80","rx":"pass","seed":7}`, `{}`, `null`, `[[[[`,
		`{"tx":null}`, `{"seed":1e400}`, `{"tx":"\u0000"}`, `{"tx":1}{}`, "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		c, err := decode[api.Change](io.LimitReader(strings.NewReader(body), api.MaxBody))
		checkDecoded(t, body, c, err)
	})
}

// checkDecoded checks what a decoder has made of a body.
func checkDecoded(t *testing.T, body string, c any, err error) {
	t.Helper()
	var refusal *api.Error
	switch {
	case err == nil:
		if _, err := json.Marshal(c); err != nil {
			t.Errorf("%q: decoded to what cannot be said: %v", body, err)
		}
	case !errors.As(err, &refusal):
		t.Errorf("%q: %T is no answer to a peer", body, err)
	case refusal.Status() >= 500 || refusal.Message == "" || strings.Contains(refusal.Message, "\n"):
		t.Errorf("%q: %+v blames the machine, or is not one line", body, refusal)
	}
}

// For every body, decodeRules returns a change that asks for exactly one thing, or an error
// of one line.
func FuzzDecodeRules(f *testing.F) {
	for _, seed := range []string{`{"add":"dns udp port 53 both pass","before":"web"}`, `{"set":"dns rx pass"}`, `{"delete":"dns"}`,
		`{"load":"# nothing\n"}`, `{}`, `null`, `{"add":null}`, `{"add":"a","add":"b"}`, `{"before":"x"}`, `{"load":1}`, `{"ADD":"x"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		c, err := decodeRules(io.LimitReader(strings.NewReader(body), api.MaxBody))
		checkDecoded(t, body, c, err)
		if n := len(asks(c)); err == nil && (n != 1 || c.Before != nil && c.Add == nil) {
			t.Errorf("%q: decoded to %d things", body, n)
		}
	})
}

// asks returns the texts of what a change asks for.
func asks(c api.RulesChange) (texts []string) {
	for _, member := range []*string{c.Add, c.Set, c.Delete, c.Load} {
		if member != nil {
			texts = append(texts, *member)
		}
	}
	return texts
}
