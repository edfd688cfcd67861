package pods

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insanely/cni/pods/podstest"
)

// patience is the longest wait for something that happens.
const patience = 20 * time.Second

// follow is a node whose pods are followed, and what was seen.
type follow struct {
	node *Node
	seen chan string // NAME ANNOTATION, and + if it runs
	log  *logBuffer
	fail chan error // what seeing the next pods returns
}

type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start follows the pods of a server until the test ends, with short pauses.
func start(t *testing.T, s *podstest.Server) *follow {
	t.Helper()
	f := &follow{seen: make(chan string, 10000), log: new(logBuffer), fail: make(chan error, 10)}
	node, err := Open(Options{Account: s.Account, Host: s.Host, Port: s.Port, Node: podstest.Node, Log: slog.New(slog.NewTextHandler(f.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	f.node = node
	node.pause, node.maxPause, node.shortest = time.Millisecond, 4*time.Millisecond, 0
	return f
}

func (f *follow) run(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.node.Follow(ctx, func(_ context.Context, p Pod) error {
			select {
			case err := <-f.fail:
				return err
			default:
			}
			text := p.Name + " " + p.Annotations["insane/policy"]
			if p.Runs {
				text += "+"
			}
			f.seen <- text
			return nil
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// await waits until a pod is seen, and returns all that were seen before.
func (f *follow) await(t *testing.T, want string) (before []string) {
	t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case got := <-f.seen:
			if got == want {
				return before
			}
			before = append(before, got)
		case <-deadline:
			t.Fatalf("%q is not seen, but %q; log:\n%s", want, before, f.log)
		}
	}
}

// watches counts lists, and returns the versions at which watches began.
func watches(s *podstest.Server) (lists int, versions []string) {
	requests, _ := s.Requests()
	for _, r := range requests {
		if r.Get("watch") == "" {
			lists++
		} else {
			versions = append(versions, r.Get("resourceVersion"))
		}
	}
	return lists, versions
}

// awaitWatches waits until so many watches were asked for.
func awaitWatches(t *testing.T, s *podstest.Server, count int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if _, versions := watches(s); len(versions) >= count {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %d watches", count)
		}
	}
}

// Pods of the list and of events are seen once, and a watch goes on where the one before has ended,
// also where a bookmark was the last.
func TestFollow(t *testing.T) {
	t.Parallel()
	s := podstest.New(t)
	s.Put(podstest.Pod("one", "insane/policy", "a"))
	pending := podstest.Pod("two")
	pending["status"] = map[string]any{"phase": "Pending"}
	s.Put(pending)
	f := start(t, s)
	f.run(t)
	first := []string{<-f.seen, <-f.seen}
	slices.Sort(first)
	if !slices.Equal(first, []string{"one a+", "two "}) {
		t.Errorf("the list is %q", first)
	}
	s.Put(podstest.Pod("one", "insane/policy", "b"))
	ended := podstest.Pod("two")
	ended["status"] = map[string]any{"phase": "Succeeded", "podIP": "10.9.0.1"}
	s.Put(ended)
	if before := f.await(t, "two "); !slices.Equal(before, []string{"one b+"}) {
		t.Errorf("seen: %q", before)
	}
	s.Delete("two")
	s.Bookmark()
	s.Forget() // up to the bookmark is known what was
	s.EndWatches()
	awaitWatches(t, s, 2)
	s.Put(podstest.Pod("three"))
	if before := f.await(t, "three +"); len(before) > 0 {
		t.Errorf("seen again: %q", before)
	}
	lists, versions := watches(s)
	if want := []string{"12", "16"}; lists != 1 || !slices.Equal(versions, want) {
		t.Errorf("%d lists, and watches from %v, want one, and %v", lists, versions, want)
	}
	if _, crowd := s.Requests(); crowd {
		t.Error("there were two requests at a time")
	}
	if log := f.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "follows the pods") {
		t.Errorf("log:\n%s", log)
	}
}

// When the version has expired, all pods are listed anew, and nothing is said of that.
func TestExpired(t *testing.T) {
	t.Parallel()
	s := podstest.New(t)
	f := start(t, s)
	f.run(t)
	s.Put(podstest.Pod("one", "insane/policy", "a"))
	f.await(t, "one a+")
	s.Say(`{"type":"ERROR","object":` + podstest.Status(410) + `}`) // in a watch
	f.await(t, "one a+")
	s.Put(podstest.Pod("one", "insane/policy", "b"))
	f.await(t, "one b+")
	s.Instead(answer(410)) // the next watch
	s.EndWatches()
	f.await(t, "one b+")
	s.Put(podstest.Pod("one", "insane/policy", "c"))
	f.await(t, "one c+")
	if log := f.log.String(); strings.Count(log, "\n") != 1 {
		t.Errorf("log:\n%s", log)
	}
}

// The token is that of the file at the time of each request.
func TestTokenRotates(t *testing.T) {
	t.Parallel()
	s := podstest.New(t)
	f := start(t, s)
	f.run(t)
	awaitWatches(t, s, 1)
	s.Put(podstest.Pod("one", "insane/policy", "a"))
	f.await(t, "one a+")
	s.Rotate(t, "second")
	s.EndWatches()
	s.Put(podstest.Pod("one", "insane/policy", "b"))
	f.await(t, "one b+")
	if lists, _ := watches(s); lists != 1 {
		t.Errorf("%d lists: the old token was sent", lists)
	}
}

// A pod that could not be served is seen again, and others are seen meanwhile.
func TestSeeFails(t *testing.T) {
	t.Parallel()
	s := podstest.New(t)
	s.Put(podstest.Pod("one", "insane/policy", "a"))
	s.Put(podstest.Pod("two"))
	f := start(t, s)
	f.node.again = time.Millisecond
	f.fail <- context.DeadlineExceeded // in the list
	f.run(t)
	other := <-f.seen
	failed := map[string]string{"one a+": "two +", "two +": "one a+"}[other] // the first one of a list in any order
	f.await(t, failed)
	f.fail <- context.DeadlineExceeded // of an event
	s.Put(podstest.Pod("one", "insane/policy", "b"))
	f.await(t, "one b+")
	if log := f.log.String(); !strings.Contains(log, "begins anew") || !strings.Contains(log, "deadline") {
		t.Errorf("log:\n%s", log)
	}
}

// Without an account, a server or a name of the node, nothing is followed, and the error says which.
func TestOpen(t *testing.T) {
	account := podstest.New(t).Account
	for want, o := range map[string]Options{
		"KUBERNETES_SERVICE_HOST": {Account: account, Port: "443", Node: "n"},
		"KUBERNETES_SERVICE_PORT": {Account: account, Host: "::1", Node: "n"},
		"NODE_NAME":               {Account: account, Host: "::1", Port: "443"},
		"service account":         {Account: t.TempDir(), Host: "::1", Port: "443", Node: "n"},
	} {
		if _, err := Open(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", o, err, want)
		}
	}
	n, err := Open(Options{Account: account, Host: "::1", Port: "443", Node: "n"})
	if err != nil || n.account.address != "[::1]:443" {
		t.Errorf("%v, %v", n, err)
	}
}
