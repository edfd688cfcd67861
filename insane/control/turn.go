package control

import (
	"io"
	"net/http"
)

// turns lets requests of those who may not make changes be answered one after the other, so
// that many of them leave the processor to the others. An answer is made in a turn, and is
// sent after it: a peer that is slow to read keeps nobody waiting.
type turns chan struct{}

func newTurns() turns { return make(turns, 1) }

// serve lets f answer a request in a turn. A request whose peer is gone gets none.
func (t turns) serve(w http.ResponseWriter, r *http.Request, f http.HandlerFunc) {
	select {
	case t <- struct{}{}:
	case <-r.Context().Done():
		return
	}
	a := &answered{header: w.Header(), status: http.StatusOK}
	func() {
		defer func() { <-t }()
		f(a, r)
	}()
	w.WriteHeader(a.status)
	for _, part := range a.body {
		io.WriteString(w, part) // fails only if the peer has closed the connection
	}
}

// answered is an answer that is not sent yet.
type answered struct {
	header http.Header
	status int
	body   []string
}

// Header implements http.ResponseWriter.
func (a *answered) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answered) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *answered) Write(p []byte) (int, error) { return a.WriteString(string(p)) }

// WriteString implements io.StringWriter. It makes no copy, so that many peers can wait for
// one long text.
func (a *answered) WriteString(s string) (int, error) {
	a.body = append(a.body, s)
	return len(s), nil
}
