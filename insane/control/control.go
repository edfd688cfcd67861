// Package control answers the requests of package api on the control socket of a device. It
// uses the device through the interface [Device] only.
//
// control.go serves the requests and decides who may make a change; rules.go serves those
// about rules, log.go those about the log of changes and confirmations; record.go sends recordings, replay.go
// takes them; message.go reads and writes the JSON; audit.go tells the log what has changed;
// limiter.go bounds the connections and gives each the credentials of its peer; pool.go
// shares the places for connections among users; turn.go lets those who may not make changes
// wait for each other; metrics.go shows the state to Prometheus, rulemetrics.go the rules, both in the
// text that exposition.go writes.
package control

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insane/replay"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Limits of a control connection beside those of package api.
const (
	maxHeader      = 16 << 10         // bytes of the header of a request
	requestTimeout = 10 * time.Second // longest time to read a request, and to write its answer
	idleTimeout    = 10 * time.Second // between requests

	refusedInterval = time.Second // between log lines about peers that may not make a change
)

// Device is the device that requests read and change. Many goroutines may call its methods
// at the same time.
type Device interface {
	// State returns the present state. It must not wait for a change.
	State() api.Info

	// Change carries out a change as a whole or not at all, and returns the
	// state just before and just after it. The error is an *api.Error if the
	// request is at fault; any other error is answered as api.ErrInternal.
	Change(c api.Change, by *api.Peer) (before, after api.Info, err error)

	// Rules returns the rules from the given number on, at most api.MaxRulesPage, with their
	// counters; none from behind the last one. The caller may change the result. It must not
	// wait for a change.
	Rules(from int) api.RulesPage

	// RulesFile returns the rules as text that RulesChange.Load takes. It must not wait for a
	// change.
	RulesFile() string

	// ChangeRules carries out a change of the rules as a whole or not at all. The error is
	// as in Change.
	ChangeRules(c api.RulesChange, by *api.Peer) (api.RulesChanged, error)

	// Confirm keeps what waits for a confirmation, and returns the state after it. The error
	// is as in Change.
	Confirm(by *api.Peer) (api.Info, error)

	// Log returns the last changes from a number on, at most api.MaxLogPage; none from behind
	// the last one. It must not wait for a change.
	Log(from uint64) api.LogPage

	// Record begins a recording. The error is as in Change.
	Record(ledger.Filter) (*Recording, error)

	// Replay replays a recording, and returns what Change does. The error is as in Change.
	Replay(t *replay.Table, by *api.Peer) (before, after api.Info, err error)
}

// Options are the parameters of Serve besides the listener and the device.
type Options struct {
	Name  string       // of the device, for messages
	Group *uint32      // its members may make changes, beside root and the user of this process; nil: no group
	Log   *slog.Logger // gets a line for each change; nil: nothing is logged
}

// server answers the requests to one device.
type server struct {
	Options
	device  Device
	refused rate.Sometimes // log lines about peers that may not make a change
	turns   turns
	file    shared // the text of the rules
	streams streams
}

// Serve answers requests about d that come over l. When ctx ends, it closes every
// connection; recordings may end before, for 300 ms. It returns nil once the caller has closed l, which it never does itself, and
// an error if l fails before that.
func Serve(ctx context.Context, l Listener, d Device, o Options) error {
	s := newServer(d, o)
	srv := &http.Server{
		Handler:           s.handler(),
		ReadTimeout:       requestTimeout,
		ReadHeaderTimeout: requestTimeout,
		WriteTimeout:      requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(io.Discard, "", 0), // errors of clients do not belong into the log
		ConnContext:       withPeer,
	}
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		s.streams.wait(lastStreams)
		srv.Close()
		close(over)
	})
	defer func() {
		if !stop() {
			<-over
		}
	}()
	err := srv.Serve(newLimiter(l, s.mayChange))
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
		return nil
	}
	return err
}

func newServer(d Device, o Options) *server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &server{Options: o, device: d, refused: rate.Sometimes{Interval: refusedInterval}, turns: newTurns()}
}

// handler serves the requests of package api. Every answer is JSON, except the metrics and
// the rules as text. That includes the answer to a malformed request, which http.ServeMux might redirect
// instead.
func (s *server) handler() http.Handler {
	paths := map[string]http.HandlerFunc{
		api.PathInfo: func(w http.ResponseWriter, r *http.Request) {
			switch r.Method {
			case http.MethodGet, http.MethodHead:
				answer(w, s.device.State())
			case http.MethodPut:
				s.put(w, r)
			default:
				refuseMethod(w, r, "GET, HEAD, PUT")
			}
		},
		api.PathStats: readOnly(func(w http.ResponseWriter, _ *http.Request) {
			info := s.device.State()
			answer(w, api.DeviceStats{TX: info.TX.Stats, RX: info.RX.Stats})
		}),
		api.PathMetrics:   readOnly(s.metrics),
		api.PathRecord:    only("GET", s.record),
		api.PathReplay:    only("PUT", s.replay),
		api.PathRules:     s.rules,
		api.PathRulesFile: s.rulesFile,
		api.PathConfirm:   only("POST", s.confirm),
		api.PathLog:       readOnly(s.log),
	}
	serve := func(w http.ResponseWriter, r *http.Request) {
		if serve, ok := paths[r.URL.Path]; ok {
			serve(w, r)
			return
		}
		refuse(w, api.Errorf(api.ErrNotFound, "", "%s: no such path", api.ShowName(r.URL.Path)))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.mayChange(peerOf(r.Context())) {
			serve(w, r)
			return
		}
		s.turns.serve(w, r, serve)
	})
}

func readOnly(f http.HandlerFunc) http.HandlerFunc { return only("GET, HEAD", f) }

// only serves requests with one of the methods of a list, as the header Allow has it, and refuses
// others.
func only(allow string, f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(strings.Split(allow, ", "), r.Method) {
			refuseMethod(w, r, allow)
			return
		}
		f(w, r)
	}
}

// permit returns the peer of a request, and a log about it, if it may make changes. Otherwise
// it refuses the request.
func (s *server) permit(w http.ResponseWriter, r *http.Request) (by *api.Peer, who *slog.Logger, ok bool) {
	peer := peerOf(r.Context())
	who = s.Log.With("uid", peer.UID, "gid", peer.GID, "pid", peer.PID)
	if s.mayChange(peer) {
		by = &api.Peer{UID: peer.UID, GID: peer.GID, PID: peer.PID, Command: commandOf(r.Context())}
		return by, who.With("command", cmp.Or(by.Command, "(unknown)")), true
	}
	// Every user of the machine can ask, so these lines are limited.
	s.refused.Do(func() { who.Warn("change refused: not permitted") })
	refuse(w, api.Errorf(api.ErrForbidden, "",
		"uid %d may not change %s: that wants root or the user or group of its daemon", peer.UID, s.Name))
	return nil, who, false
}

// put carries out a change and logs the peer that asked for it.
func (s *server) put(w http.ResponseWriter, r *http.Request) {
	by, who, ok := s.permit(w, r)
	if !ok {
		return
	}
	change, err := decode[api.Change](http.MaxBytesReader(w, r.Body, api.MaxBody))
	if err != nil {
		refuse(w, err)
		return
	}
	if err := checkNamespace(r.Header.Get(api.HeaderNamespace), s.device.State()); err != nil {
		refuse(w, err)
		return
	}
	before, after, err := s.device.Change(change, by)
	if err != nil {
		who.Warn("change refused", "err", err)
		refuse(w, err)
		return
	}
	args := transitions(before, after)
	args = appendTexts(args, named{"session", change.Session}, named{"for", change.For}, named{"confirm", change.Confirm})
	who.Info("changed", args...)
	answer(w, after)
}

// mayChange reports whether a peer may change the device: root, the user of this process,
// and members of the control group may.
func (s *server) mayChange(p host.Peer) bool {
	return p.UID == 0 || p.UID == uint32(os.Geteuid()) || s.Group != nil && p.In(*s.Group)
}
