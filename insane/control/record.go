package control

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Recording is one that a device has begun.
type Recording struct {
	Header    ledger.Header
	Recorders []*ledger.Recorder
	Ended     <-chan struct{} // closed when nothing more comes, since the device ends
	Close     func()          // ends it; waits like a change
}

const (
	// pullEvery is how often the recorders are looked at. The relay wakes nobody, which would
	// cost it more than an entry does.
	pullEvery = 10 * time.Millisecond
	// mostWritten is how many bytes are written at once, and writePatience how long a peer may
	// take to read them.
	mostWritten   = 64 << 10
	writePatience = requestTimeout
	// lastStreams is how long recordings may take to end when the device ends.
	lastStreams = 300 * time.Millisecond
)

// streams counts the recordings that are being sent.
type streams struct {
	mu   sync.Mutex
	n    int
	last chan struct{} // closed when the last one ends; nil: nobody waits for that
}

// begin counts one more. It returns false if none may begin any more.
func (s *streams) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil {
		return false
	}
	s.n++
	return true
}

// end counts one that has ended.
func (s *streams) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n--; s.n == 0 && s.last != nil {
		close(s.last)
	}
}

// wait lets none begin any more, and waits until all have ended, for as long as limit at most.
// Call it once.
func (s *streams) wait(limit time.Duration) {
	s.mu.Lock()
	s.last = make(chan struct{})
	if s.n == 0 {
		close(s.last)
	}
	s.mu.Unlock()
	select {
	case <-s.last:
	case <-time.After(limit):
	}
}

// record sends a recording until the peer has enough, or the device ends. It shows what others
// send, so it is for those who may make changes.
func (s *server) record(w http.ResponseWriter, r *http.Request) {
	_, who, ok := s.permit(w, r)
	if !ok {
		return
	}
	filter, err := readFilter(r.URL.RawQuery)
	if err != nil {
		refuse(w, err)
		return
	}
	if !s.streams.begin() {
		refuse(w, api.Errorf(api.ErrInternal, "", "%s is being taken down", s.Name))
		return
	}
	defer s.streams.end()
	recording, err := s.device.Record(filter)
	if err != nil {
		refuse(w, err)
		return
	}
	defer recording.Close()
	who.Info("recording begins", "lost", filter.Lost, "rule", filter.Rule, "snaplen", filter.Snaplen)
	out := stream{to: w, controller: http.NewResponseController(w)}
	err = out.send(r.Context(), recording)
	missed := uint64(0)
	for _, m := range untold(recording, false) {
		missed += m.Entries
	}
	who.Info("recording ends", "bytes", out.bytes, "missed", missed, "why", reasonOf(err))
}

// reasonOf says why a recording ends.
func reasonOf(err error) string {
	if err == nil {
		return "the device ends"
	}
	return err.Error()
}

// stream is an answer without an end.
type stream struct {
	to         http.ResponseWriter
	controller *http.ResponseController
	bytes      uint64
}

// send sends a recording. The error says why it ends, unless the device ends.
func (s *stream) send(ctx context.Context, r *Recording) error {
	// Without an error from here on: the peer is no other than it was.
	_ = s.controller.SetReadDeadline(time.Time{})
	s.to.Header().Set("Content-Type", "application/octet-stream")
	if err := s.write(ledger.AppendHeader(nil, r.Header)); err != nil {
		return err
	}
	ticker := time.NewTicker(pullEvery)
	defer ticker.Stop()
	for {
		ended := false
		if err := s.controller.Flush(); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the peer has closed the connection")
		case <-r.Ended:
			ended = true
		case <-ticker.C:
		}
		if err := s.pull(r); err != nil || !ended {
			if err != nil {
				return err
			}
			continue
		}
		end := ledger.AppendEnd(nil, ledger.End{Why: "the device ends", Missed: untold(r, true)})
		return s.write(end)
	}
}

// pull sends what has come.
func (s *stream) pull(r *Recording) error {
	for _, from := range r.Recorders {
		first, second := from.Pull()
		if len(first) == 0 {
			continue
		}
		if err := s.write(first); err != nil {
			return err
		}
		if err := s.write(second); err != nil {
			return err
		}
		from.Done(len(first) + len(second))
	}
	return nil
}

// write writes some bytes. A peer that does not read is given up.
func (s *stream) write(b []byte) error {
	for len(b) > 0 {
		piece := b[:min(len(b), mostWritten)]
		_ = s.controller.SetWriteDeadline(time.Now().Add(writePatience))
		if _, err := s.to.Write(piece); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		s.bytes += uint64(len(piece))
		b = b[len(piece):]
	}
	return nil
}

// untold returns the entries that lack: all, or those that the stream has not told of.
func untold(r *Recording, only bool) (list []ledger.Missed) {
	for _, from := range r.Recorders {
		n, left := from.Missed()
		if only {
			n = left
		}
		if n > 0 {
			list = append(list, ledger.Missed{Direction: from.Direction(), Entries: n})
		}
	}
	return list
}

// readFilter reads the query of a request for a recording. The error is an *api.Error of one
// line.
func readFilter(query string) (f ledger.Filter, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return f, api.Errorf(api.ErrInvalid, "", "query: %s", err)
	}
	for name, given := range values {
		value := given[len(given)-1]
		switch name {
		case api.RecordLost:
			f.Lost, err = strconv.ParseBool(value)
		case api.RecordRule:
			f.Rule = value
		case api.RecordSnaplen:
			var n uint64
			n, err = strconv.ParseUint(value, 10, 32)
			f.Snaplen = uint32(n)
		default:
			return f, api.Errorf(api.ErrInvalid, "", "query: %s: no such parameter, want lost, rule or snaplen", brief(name))
		}
		if err != nil || len(given) > 1 {
			return f, api.Errorf(api.ErrInvalid, name, "%s: %s: no valid value", name, brief(value))
		}
	}
	return f, nil
}
