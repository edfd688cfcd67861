// Package podstest is an API server of Kubernetes for tests: it lists pods and lets them be watched
// over TLS, to those who have its token.
//
// server.go has the pods and what a test does to them; answer.go answers.
package podstest

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// Node is the node whose pods the server has.
const Node = "node-1"

// Server has pods. All methods may be called from any goroutine.
type Server struct {
	Host, Port string
	Account    string // directory of the files token and ca.crt
	http       *httptest.Server
	closed     chan struct{}

	mu       sync.Mutex
	token    string
	version  int               // of the last change
	oldest   int               // that a watch may begin at
	pods     map[string]string // JSON by name
	events   []event
	changed  chan struct{} // closed by the next change
	ended    chan struct{} // closed when the watches that there are end
	instead  []http.HandlerFunc
	requests []url.Values
	now      int  // requests that are answered
	crowd    bool // there were several at a time
}

type event struct {
	version int
	text    string
}

// New starts a server, which ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{Account: t.TempDir(), pods: make(map[string]string), changed: make(chan struct{}), ended: make(chan struct{}), closed: make(chan struct{}), version: 10}
	s.http = httptest.NewUnstartedServer(s)
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that break
	s.http.StartTLS()
	t.Cleanup(func() { close(s.closed); s.http.CloseClientConnections(); s.http.Close() })
	at, err := url.Parse(s.http.URL)
	if err == nil {
		s.Host, s.Port, err = net.SplitHostPort(at.Host)
	}
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(s.Account, "ca.crt"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Rotate(t, "first")
	return s
}

// Rotate makes a token the only one that is taken, and writes it.
func (s *Server) Rotate(t testing.TB, token string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
	if err := os.WriteFile(filepath.Join(s.Account, "token"), []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Pod returns a pod of the namespace default that runs, with annotations in pairs.
func Pod(name string, annotations ...string) map[string]any {
	m := make(map[string]string)
	for pair := range slices.Chunk(annotations, 2) {
		m[pair[0]] = pair[1]
	}
	return map[string]any{
		"kind":     "Pod",
		"metadata": map[string]any{"namespace": "default", "name": name, "uid": "uid-" + name, "annotations": m, "managedFields": []any{}},
		"spec":     map[string]any{"nodeName": Node},
		"status":   map[string]any{"phase": "Running", "podIP": "10.9.0.1"},
	}
}

// Put adds a pod or changes it.
func (s *Server) Put(pod map[string]any) {
	name := pod["metadata"].(map[string]any)["name"].(string)
	s.change(func(old map[string]string) string {
		kind := "MODIFIED"
		if old[name] == "" {
			kind = "ADDED"
		}
		old[name] = s.stamp(pod)
		return `{"type":"` + kind + `","object":` + old[name] + "}"
	})
}

// Delete removes a pod.
func (s *Server) Delete(name string) {
	s.change(func(old map[string]string) string {
		defer delete(old, name)
		return `{"type":"DELETED","object":` + old[name] + "}"
	})
}

// Bookmark tells those who watch that there is another version, in which no pod of theirs differs.
func (s *Server) Bookmark() {
	s.change(func(map[string]string) string {
		return `{"type":"BOOKMARK","object":` + s.stamp(map[string]any{"kind": "Pod", "metadata": map[string]any{"creationTimestamp": nil}}) + "}"
	})
}

// Forget makes the server forget what has happened before the last change. Those who watch go on.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oldest = s.version
}

// EndWatches ends all watches, as the server does after their time.
func (s *Server) EndWatches() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.ended)
	s.ended = make(chan struct{})
}

// Say sends a text to those who watch.
func (s *Server) Say(text string) { s.change(func(map[string]string) string { return text }) }

// Instead has the next requests answered by others.
func (s *Server) Instead(answer ...http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instead = append(s.instead, answer...)
}

// Requests returns the queries of all requests that there were, and whether some came at a time.
func (s *Server) Requests() (list []url.Values, crowd bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests), s.crowd
}

func (s *Server) change(how func(pods map[string]string) (text string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	s.events = append(s.events, event{s.version, how(s.pods)})
	close(s.changed)
	s.changed = make(chan struct{})
}

// stamp returns the JSON of an object with the version of this change.
func (s *Server) stamp(object map[string]any) string {
	object["metadata"].(map[string]any)["resourceVersion"] = strconv.Itoa(s.version)
	text, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	return string(text)
}
