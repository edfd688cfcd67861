package control

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// rules answers the requests of api.PathRules.
func (s *server) rules(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		from, err := readFrom(r.URL.RawQuery)
		if err != nil {
			refuse(w, err)
			return
		}
		answerPage(w, s.device.Rules(from))
	case http.MethodPost:
		s.changeRules(w, r, decodeRules)
	default:
		refuseMethod(w, r, "GET, HEAD, POST")
	}
}

// rulesFile answers the requests of api.PathRulesFile.
func (s *server) rulesFile(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, s.file.share(s.device.RulesFile())) // fails only if the peer has closed the connection
	case http.MethodPut:
		if r.URL.RawQuery != "" { // such as a lease: to ignore it would be dangerous
			refuse(w, api.Errorf(api.ErrInvalid, "", "query: %s: want none; POST %s takes more than a file", brief(r.URL.RawQuery), api.PathRules))
			return
		}
		s.changeRules(w, r, readRulesFile)
	default:
		refuseMethod(w, r, "GET, HEAD, PUT")
	}
}

// changeRules carries out the change that read makes of the body, and logs the peer that
// asked for it.
func (s *server) changeRules(w http.ResponseWriter, r *http.Request, read func(io.Reader) (api.RulesChange, error)) {
	by, who, ok := s.permit(w, r)
	if !ok {
		return
	}
	change, err := read(http.MaxBytesReader(w, r.Body, api.MaxRulesFile))
	if err != nil {
		refuse(w, err)
		return
	}
	changed, err := s.device.ChangeRules(change, by)
	if err != nil {
		who.Warn("change of rules refused", "err", err)
		refuse(w, err)
		return
	}
	who.Info("rules changed", append(wishes(change), "total", changed.Total)...)
	answer(w, changed)
}

// readFrom reads the query of a request for rules: nothing, or from=N. The error is an
// *api.Error of one line.
func readFrom(query string) (int, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return 0, api.Errorf(api.ErrInvalid, "", "query: %s", err)
	}
	for name := range values {
		if name != "from" {
			return 0, api.Errorf(api.ErrInvalid, "", "query: %s: no such parameter, want from", brief(name))
		}
	}
	switch from := values["from"]; len(from) {
	case 0:
		return 0, nil
	case 1:
		n, err := strconv.ParseUint(from[0], 10, 31)
		if err != nil {
			return 0, api.Errorf(api.ErrInvalid, "from", "from: %s: want a whole number from 0 to 2^31-1", brief(from[0]))
		}
		return int(n), nil
	default:
		return 0, api.Errorf(api.ErrInvalid, "from", "from: is given %d times", len(from))
	}
}

// decodeRules reads a RulesChange that asks for exactly one thing. Every error is an
// *api.Error of one line.
func decodeRules(body io.Reader) (api.RulesChange, error) {
	c, err := decode[api.RulesChange](body)
	if err == nil {
		err = c.Check()
	}
	return c, err
}

// readRulesFile makes a change of a body that is the text of rules.
func readRulesFile(body io.Reader) (c api.RulesChange, err error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return c, explainRead(err)
	}
	load := string(text)
	return api.RulesChange{Load: &load}, nil
}

// brief returns a text in quotes, cut off if it is long.
func brief(text string) string { return fmt.Sprintf("%q", cut(text, 64)) }

// answerPage answers with a page, or with the first part of it if it is too long. It leaves
// out the counts that are 0: most are, and of ten thousands of rules they would be megabytes.
func answerPage(w http.ResponseWriter, page api.RulesPage) {
	if page.Rules == nil {
		page.Rules = []api.Rule{} // never null in JSON
	}
	for _, rule := range page.Rules {
		for _, d := range []*api.RuleDirection{rule.TX, rule.RX} {
			if d != nil {
				maps.DeleteFunc(d.Stats.Dropped, isZero)
				maps.DeleteFunc(d.Stats.Stages, isZero)
			}
		}
	}
	text, err := json.Marshal(page)
	for err == nil && len(text) > api.MaxRulesBody && len(page.Rules) > 1 {
		page.Rules = page.Rules[:len(page.Rules)/2]
		text, err = json.Marshal(page)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(text, '\n')) // fails only if the peer has closed the connection
}

func isZero(_ string, c api.Count) bool { return c == (api.Count{}) }

// shared is the last text of the rules that was asked for. Equal texts are one string, so
// that many peers that are slow to read need the memory of one.
type shared struct {
	mu   sync.Mutex
	text string
}

// share returns a string that equals text.
func (s *shared) share(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.text != text {
		s.text = text
	}
	return s.text
}
