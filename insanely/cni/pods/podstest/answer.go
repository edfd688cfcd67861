package podstest

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	refused, instead := s.begin(r)
	defer s.end()
	switch {
	case instead != nil:
		instead(w, r)
	case refused != 0:
		Refuse(w, refused)
	case r.URL.Query().Get("watch") == "1":
		s.watch(w, r)
	default:
		s.List(w)
	}
}

// Refuse answers with a status, as the API server does.
func Refuse(w http.ResponseWriter, code int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprint(w, Status(code))
}

// Status is what an API server says of an error.
func Status(code int) string {
	return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"no","code":%d}`, code)
}

func (s *Server) begin(r *http.Request) (refused int, instead http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now++
	s.crowd = s.crowd || s.now > 1
	query := r.URL.Query()
	s.requests = append(s.requests, query)
	switch {
	case len(s.instead) > 0:
		instead, s.instead = s.instead[0], s.instead[1:]
	case r.Header.Get("Authorization") != "Bearer "+s.token:
		refused = http.StatusUnauthorized
	case r.Method != http.MethodGet || r.URL.Path != "/api/v1/pods" || query.Get("fieldSelector") != "spec.nodeName="+Node || r.ProtoMajor != 1:
		refused = http.StatusNotFound
	case query.Get("watch") == "1" && !s.goodWatch(query):
		refused = http.StatusBadRequest
	}
	return refused, instead
}

func (s *Server) goodWatch(query url.Values) bool {
	_, err := strconv.Atoi(query.Get("resourceVersion"))
	_, errTime := strconv.Atoi(query.Get("timeoutSeconds"))
	return err == nil && errTime == nil && query.Get("allowWatchBookmarks") == "true"
}

func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
}

// List answers a list.
func (s *Server) List(w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(w, `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"%d"},"items":[%s]}`,
		s.version, strings.Join(slices.Collect(maps.Values(s.pods)), ","))
}

// watch sends what has happened since a version, each event in two parts.
func (s *Server) watch(w http.ResponseWriter, r *http.Request) {
	since, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	s.mu.Lock()
	old, ended := since < s.oldest, s.ended
	s.mu.Unlock()
	if old {
		Refuse(w, http.StatusGone)
		return
	}
	out := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	for last := false; ; {
		s.mu.Lock()
		news, changed := s.since(since), s.changed
		s.mu.Unlock()
		for _, e := range news {
			since = e.version
			half := len(e.text) / 2
			fmt.Fprint(w, e.text[:half])
			_ = out.Flush()
			fmt.Fprint(w, e.text[half:]+"\n")
		}
		if out.Flush() != nil || last {
			return
		}
		select {
		case <-changed:
		case <-ended:
			last = true
		case <-r.Context().Done():
			return
		case <-s.closed:
			return
		}
	}
}

func (s *Server) since(version int) []event {
	i, _ := slices.BinarySearchFunc(s.events, version+1, func(e event, v int) int { return e.version - v })
	return slices.Clone(s.events[i:])
}
