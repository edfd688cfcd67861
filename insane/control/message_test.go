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
