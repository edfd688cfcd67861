// Package pods follows the pods of a node, as the API server of Kubernetes tells of them: a list of all,
// and then a stream of what changes (a watch).
//
// pods.go lists and watches, and begins anew after a pause; stream.go reads lists and events, whose
// length nobody knows; object.go has what is looked at in them; account.go reads what a pod is given
// to reach the API server.
//
// A list has a version, and a watch begins at one. Events and bookmarks say which one is reached; a
// watch that ends in time goes on from there. After anything else (the version has expired, a
// connection breaks, an answer makes no sense) all pods are listed anew, after a pause that grows. So there is one request
// at a time, and nothing has to be remembered of any pod.
//
// An answer of the API server is not trusted to end, to be small, or to be well formed. Each request has an end,
// and each value of JSON a size. What is said of a pod is passed on as it is: names are for comparing, and no
// parts of paths.
package pods

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/time/rate"
)

// Options say which pods are followed, and who tells of them.
type Options struct {
	Account    string // directory of the files token and ca.crt
	Host, Port string // of the API server
	Node       string // as Kubernetes calls it
	Log        *slog.Logger
}

// Pod is a pod as it is now.
type Pod struct {
	Namespace, Name, UID string
	Annotations          map[string]string
	Runs                 bool // its interfaces are there: it has an address, and has not ended
}

// Node is a node whose pods are followed.
type Node struct {
	account account
	name    string
	log     *slog.Logger

	listTime        time.Duration // until a list begins, and between its pods
	watchTime       time.Duration
	grace           time.Duration // for the API server to end a watch by itself
	shortest        time.Duration // of a watch that is one
	pause, maxPause time.Duration // after a failure
	again           time.Duration // until pods are seen again of which one could not be served
	lost            bool          // the log does not say that the pods are followed
	often           rate.Sometimes
}

var (
	errShort = errors.New("the API server ends a watch at once")
	errSlow  = errors.New("the API server does not go on with a list")
)

// Open checks what is needed to follow pods. It sends nothing. The error names what is missing.
func Open(o Options) (*Node, error) {
	switch {
	case o.Host == "" || o.Port == "":
		return nil, errors.New("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
	case o.Node == "":
		return nil, errors.New("NODE_NAME is not set")
	}
	if _, err := os.Stat(filepath.Join(o.Account, "token")); err != nil {
		return nil, fmt.Errorf("there is no service account: %w", err)
	}
	return &Node{
		account: account{directory: o.Account, address: net.JoinHostPort(o.Host, o.Port)}, name: o.Node, log: o.Log,
		listTime: 30 * time.Second, watchTime: 5 * time.Minute, grace: 30 * time.Second, shortest: time.Second,
		pause: time.Second, maxPause: time.Minute, again: 30 * time.Second,
		lost: true, often: rate.Sometimes{Interval: time.Minute},
	}, nil
}

// Follow calls see for each pod of the node, and again for each that changes, one at a time,
// until ctx ends. If see returns an error, all pods are seen again after some time.
func (n *Node) Follow(ctx context.Context, see func(context.Context, Pod) error) {
	for pause := n.pause; ; pause = min(2*pause, n.maxPause) {
		began := time.Now()
		err := n.round(ctx, see)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > n.maxPause {
			pause = n.pause
		}
		if !expired(err) {
			n.often.Do(func() {
				n.lost = true
				n.log.Warn("begins anew to follow the pods of this node", "err", err)
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause/2 + rand.N(pause)): // not all nodes at once
		}
	}
}

// round lists the pods, and watches them until that fails. A pod that cannot be served does not keep
// others from being seen, and ends the round some time later.
func (n *Node) round(ctx context.Context, see func(context.Context, Pod) error) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	failed := false
	serve := func(p Pod) {
		if err := see(ctx, p); err != nil && !failed {
			failed = true
			time.AfterFunc(n.again, func() { end(err) })
		}
	}
	version, err := n.list(ctx, serve)
	for err == nil {
		began := time.Now()
		version, err = n.watch(ctx, version, serve)
		if err == nil && time.Since(began) < n.shortest {
			err = errShort
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (n *Node) list(ctx context.Context, see func(Pod)) (version string, err error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	slow := time.AfterFunc(n.listTime, func() { end(errSlow) })
	defer slow.Stop()
	err = n.ask(ctx, url.Values{}, func(body io.Reader) (err error) {
		version, err = readList(body, func(p Pod) {
			see(p)
			slow.Reset(n.listTime)
		})
		return err
	})
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return version, err
}

// watch sees what has changed since a version, and returns the version that it has come to.
func (n *Node) watch(ctx context.Context, version string, see func(Pod)) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, n.watchTime+n.grace)
	defer cancel()
	query := url.Values{
		"watch": {"1"}, "allowWatchBookmarks": {"true"}, "resourceVersion": {version},
		"timeoutSeconds": {strconv.Itoa(int(n.watchTime / time.Second))},
	}
	err := n.ask(ctx, query, func(body io.Reader) (err error) {
		if n.lost {
			n.lost = false
			n.log.Info("follows the pods of this node", "node", n.name)
		}
		version, err = readEvents(body, version, see)
		return err
	})
	return version, err
}

// ask sends a request about the pods of the node, and has its answer read.
func (n *Node) ask(ctx context.Context, query url.Values, read func(io.Reader) error) error {
	transport, token, err := n.account.open()
	if err != nil {
		return err
	}
	query.Set("fieldSelector", "spec.nodeName="+n.name)
	target := url.URL{Scheme: "https", Host: n.account.address, Path: "/api/v1/pods", RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("User-Agent", "insane-cni")
	resp, err := transport.RoundTrip(req) // a client would follow redirects
	if err != nil {
		return fmt.Errorf("ask %s: %w", n.account.address, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	return read(resp.Body)
}

// refusal returns what an answer says that is no success.
func refusal(resp *http.Response) error {
	var said status
	_ = json.NewDecoder(io.LimitReader(resp.Body, maxHeader)).Decode(&said)
	said.Code = resp.StatusCode
	return &said
}
