package insane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Limits of a control connection beside api.MaxBody.
const (
	maxHeader      = 16 << 10         // bytes
	requestTimeout = 10 * time.Second // to say a request, and to take its answer
	idleTimeout    = 10 * time.Second // between requests
)

// serveControl answers on the control socket until ctx ends.
func (d *Device) serveControl(ctx context.Context, l *host.ControlListener) error {
	srv := &http.Server{
		Handler:           d.handler(),
		ReadTimeout:       requestTimeout,
		ReadHeaderTimeout: requestTimeout,
		WriteTimeout:      requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(io.Discard, "", 0), // broken clients are no news
		ConnContext:       withPeer,
	}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	err := srv.Serve(newGate(l, d.mayChange))
	if errors.Is(err, http.ErrServerClosed) || ctx.Err() != nil {
		return nil
	}
	return err
}

// handler serves the requests of package api. Every answer but the metrics is
// JSON, also those to requests that make no sense; http.ServeMux would redirect
// some of them.
func (d *Device) handler() http.Handler {
	metrics := promhttp.HandlerFor(newRegistry(d), promhttp.HandlerOpts{})
	paths := map[string]http.HandlerFunc{
		api.PathInfo: func(w http.ResponseWriter, r *http.Request) {
			switch r.Method {
			case http.MethodGet, http.MethodHead:
				answer(w, d.State())
			case http.MethodPut:
				d.put(w, r)
			default:
				refuseMethod(w, r, "GET, HEAD, PUT")
			}
		},
		api.PathStats: readOnly(func(w http.ResponseWriter, _ *http.Request) {
			info := d.State()
			answer(w, api.DeviceStats{TX: info.TX.Stats, RX: info.RX.Stats})
		}),
		api.PathMetrics: readOnly(metrics.ServeHTTP),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if serve, ok := paths[r.URL.Path]; ok {
			serve(w, r)
			return
		}
		refuse(w, api.Errorf(api.ErrNotFound, "", "%s: no such path", r.URL.Path))
	})
}

func readOnly(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			refuseMethod(w, r, "GET, HEAD")
			return
		}
		f(w, r)
	}
}

// put carries out a change and logs who asked for it.
func (d *Device) put(w http.ResponseWriter, r *http.Request) {
	peer := peerOf(r.Context())
	who := d.log.With("uid", peer.UID, "gid", peer.GID, "pid", peer.PID)
	if !d.mayChange(peer) {
		// Anybody can ask: what strangers do must not fill the log.
		d.strangers.Do(func() { who.Warn("change refused: not permitted") })
		refuse(w, api.Errorf(api.ErrForbidden, "",
			"uid %d may not change %s: that wants root or the user or group of its daemon", peer.UID, d.name))
		return
	}
	change, err := decode(http.MaxBytesReader(w, r.Body, api.MaxBody))
	if err != nil {
		refuse(w, err)
		return
	}
	before, after, err := d.change(change)
	if err != nil {
		who.Warn("change refused", "err", err)
		refuse(w, err)
		return
	}
	who.Info("changed", "slave", transition(before.Slave, after.Slave), "tx", transition(before.TX.Policy, after.TX.Policy),
		"rx", transition(before.RX.Policy, after.RX.Policy), "seed", transition(before.Seed, after.Seed))
	answer(w, after)
}

// transition is how a log line shows a member before and after.
func transition[T comparable](before, after T) string {
	if before == after {
		return fmt.Sprint(after)
	}
	return fmt.Sprintf("%v -> %v", before, after)
}

// decode reads one Change and nothing else.
func decode(body io.Reader) (api.Change, error) {
	var c api.Change
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	err := dec.Decode(&c)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			err = errors.New("more than one JSON value")
		}
	}
	var tooLarge *http.MaxBytesError
	var badType *json.UnmarshalTypeError
	switch {
	case err == nil:
		return c, nil
	case errors.As(err, &tooLarge):
		return c, api.Errorf(api.ErrTooLarge, "", "body: larger than %d bytes", api.MaxBody)
	case errors.As(err, &badType) && badType.Field != "":
		return c, api.Errorf(api.ErrInvalid, badType.Field, "%s: %s: want %s", badType.Field, badType.Value, badType.Type)
	case errors.Is(err, io.EOF):
		return c, api.Errorf(api.ErrInvalid, "", "body: empty: want a JSON object")
	}
	return c, api.Errorf(api.ErrInvalid, "", "body: %s", strings.TrimPrefix(err.Error(), "json: "))
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // an error here is a peer that has left
}

// refuse answers with an error. One that is not of package api is the
// machine's fault and not the request's.
func refuse(w http.ResponseWriter, err error) {
	var e *api.Error
	if !errors.As(err, &e) {
		e = api.Errorf(api.ErrInternal, "", "%v", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status())
	json.NewEncoder(w).Encode(e)
}

func refuseMethod(w http.ResponseWriter, r *http.Request, allow string) {
	w.Header().Set("Allow", allow)
	refuse(w, api.Errorf(api.ErrMethod, "", "%s %s: want %s", r.Method, r.URL.Path, allow))
}
