package cni

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/time/rate"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/insanely/cni/pods"
)

// followed is a node with one pod that has a device, and what the device was asked for.
type followed struct {
	*follower
	record  *record
	log     *bytes.Buffer
	changes []string // TX|RX; -: not in the change
}

// newFollowed makes an attachment as ADD does it, and a daemon that refuses policies with "bad" in them.
func newFollowed(t *testing.T, begin, otherwise policies) *followed {
	t.Helper()
	directory, err := os.MkdirTemp("", "insane-follow-") // short, for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	f := &followed{log: new(bytes.Buffer)}
	f.record, err = newRecord(directory, record{
		Container: "one", Link: "eth0", Namespace: "default", Pod: "web", UID: "u1", Process: 7,
		Socket: filepath.Join(directory, "web.sock"), Otherwise: otherwise.whole(),
	})
	if err == nil {
		err = f.record.makeApplied(begin.whole())
	}
	if err == nil {
		err = f.record.write()
	}
	if err != nil {
		t.Fatal(err)
	}
	f.restart()
	listener, err := net.Listen("unix", f.record.Socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(f.daemon)}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return f
}

// restart begins anew, with nothing but the files.
func (f *followed) restart() {
	f.follower = newFollower(filepath.Dir(f.record.Socket), slog.New(slog.NewTextHandler(f.log, nil)))
}

func (f *followed) daemon(w http.ResponseWriter, r *http.Request) {
	var c api.Change
	_ = json.NewDecoder(r.Body).Decode(&c)
	shown := func(p *string) string {
		if p == nil {
			return "-"
		}
		return *p
	}
	f.changes = append(f.changes, shown(c.TX)+"|"+shown(c.RX))
	for _, p := range []*string{c.TX, c.RX} {
		if p != nil && strings.Contains(*p, "bad") {
			field := map[bool]string{true: "tx", false: "rx"}[p == c.TX]
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(api.Errorf(api.ErrInvalid, field, "%s: %q: no such stage", field, *p))
			return
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"name": "insane"})
}

// sees shows the pod to the follower, and compares the changes of the device that this makes.
func (f *followed) sees(t *testing.T, p pods.Pod, want ...string) {
	t.Helper()
	f.changes = nil
	if err := f.see(t.Context(), p); err != nil {
		t.Errorf("%v: %v", p, err)
	}
	if fmt.Sprint(f.changes) != fmt.Sprint(want) {
		t.Errorf("%v: the device is asked for %q, want %q", p.Annotations, f.changes, want)
	}
}

// logged returns the lines of the log since the last call.
func (f *followed) logged() string {
	defer f.log.Reset()
	return f.log.String()
}

// web is the pod, with annotations in pairs.
func web(annotations ...string) pods.Pod {
	p := pods.Pod{Namespace: "default", Name: "web", UID: "u1", Annotations: map[string]string{"other": "x"}, Runs: true}
	for i := 0; i < len(annotations); i += 2 {
		p.Annotations[annotations[i]] = annotations[i+1]
	}
	return p
}

// Only what differs from what was in force last changes the device, also when the follower begins
// anew. Each direction is on its own.
func TestFollow(t *testing.T) {
	f := newFollowed(t, policies{TX: "percent 10"}, policies{})
	f.sees(t, web(annotation, " percent 10 "))
	f.sees(t, web(annotation, "percent 20"), "percent 20|-")
	if log := f.logged(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "pod=default/web") || !strings.Contains(log, `tx="percent 20"`) {
		t.Errorf("log:\n%s", log)
	}
	f.sees(t, web(annotation, "percent 20"))
	f.restart()
	f.sees(t, web(annotation, "percent 20"))
	f.sees(t, web(annotation, "percent 20", rxAnnotation, "percent 30"), "-|percent 30")
	f.sees(t, web(rxAnnotation, "percent 30"), "pass|-")
	f.sees(t, web(), "-|pass")
	f.sees(t, web(annotation, ""))
	f.sees(t, web(annotation, "percent 1", rxAnnotation, "percent 2"), "percent 1|percent 2")
	f.sees(t, web(annotation, ""), "pass|pass")
}

// A pod without annotations has what it would have had without them from the beginning.
func TestFollowOtherwise(t *testing.T) {
	f := newFollowed(t, policies{TX: "percent 10"}, policies{RX: "percent 5"})
	f.sees(t, web(), "pass|percent 5")
	f.sees(t, web())
}

// A policy that cannot be changes nothing, and one line says so, with the pod, the annotation and the
// value. The one before is in force, and the next good one comes to be.
func TestFollowRefused(t *testing.T) {
	f := newFollowed(t, policies{TX: "percent 10"}, policies{})
	f.sees(t, web(annotation, "percent 10", rxAnnotation, "bad\n7"), "-|bad\n7")
	log := f.logged()
	for _, want := range []string{"level=WARN", "pod=default/web", "annotation=insane/rx-policy", `value="bad\n7"`, "no such stage"} {
		if !strings.Contains(log, want) || strings.Count(log, "\n") != 1 {
			t.Errorf("no %s in the log:\n%s", want, log)
		}
	}
	f.sees(t, web(annotation, "percent 10", rxAnnotation, "bad\n7"))
	f.sees(t, web(annotation, "percent 10"))
	if log := f.logged(); log != "" {
		t.Errorf("log:\n%s", log)
	}
	for _, long := range []string{"bad" + strings.Repeat("\x01", maxPolicy-3), strings.Repeat("x", maxPolicy+1)} {
		f.changes = nil
		if err := f.see(t.Context(), web(annotation, long)); err != nil || len(f.changes) > 0 != (len(long) <= maxPolicy) {
			t.Errorf("%d bytes: %d changes, %.500v", len(long), len(f.changes), err)
		}
		if log := f.logged(); !strings.Contains(log, "annotation=insane/policy") || len(log) > 2000 {
			t.Errorf("log:\n%.2000s", log)
		}
	}
	f.sees(t, web(annotation, "percent 20"), "percent 20|-")
}

// The log and what is remembered of it stay bounded, whatever becomes of annotations.
func TestFollowSaysLittle(t *testing.T) {
	f := newFollowed(t, policies{}, policies{})
	f.lines = rate.NewLimiter(0, 20)
	for i := range 40 {
		f.sees(t, web(annotation, fmt.Sprint("bad", i)), fmt.Sprint("bad", i, "|-"))
	}
	if lines := strings.Count(f.logged(), "\n"); lines != 20 {
		t.Errorf("%d lines, want 20", lines)
	}
	f.lines = rate.NewLimiter(rate.Inf, 0)
	for i := range 2 * maxSaid {
		p := web(annotation, "percent 10")
		p.Name = fmt.Sprint("late", i)
		f.sees(t, p)
	}
	if lines := strings.Count(f.logged(), "\n"); lines != 2*maxSaid || len(f.said) > maxSaid {
		t.Errorf("%d lines about %d pods, and %d are remembered", lines, 2*maxSaid, len(f.said))
	}
}

// A pod that began without a device has none later, and one line says so. Nothing is said of pods that
// ask for none, or do not run.
func TestFollowWithoutDevice(t *testing.T) {
	f := newFollowed(t, policies{}, policies{})
	late := web(annotation, "percent 10")
	late.Name = "late"
	for range 3 {
		f.sees(t, late)
	}
	if log := f.logged(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "pod=default/late") || !strings.Contains(log, "no device") {
		t.Errorf("log:\n%s", log)
	}
	late.Annotations = map[string]string{annotation: ""}
	f.sees(t, late)
	late.Annotations = nil
	f.sees(t, late)
	ended := web(annotation, "percent 10")
	ended.Runs = false
	f.sees(t, ended)
	if log := f.logged(); log != "" {
		t.Errorf("log:\n%s", log)
	}
	f.record.Failure = "no TUN"
	if err := f.record.write(); err != nil {
		t.Fatal(err)
	}
	f.sees(t, web(annotation, "percent 10"))
	if log := f.logged(); !strings.Contains(log, "no device") {
		t.Errorf("log:\n%s", log)
	}
}

// A device belongs to one pod, and not to others of its name, here or elsewhere. The API server has a
// copy only of a pod that the node has by itself.
func TestFollowOther(t *testing.T) {
	f := newFollowed(t, policies{}, policies{})
	other := web(annotation, "percent 10")
	other.UID = "u2"
	f.sees(t, other)
	other = web(annotation, "percent 10")
	other.Namespace = "elsewhere"
	f.sees(t, other)
	copied := web(annotation, "percent 10", mirror, "u1")
	copied.UID = "u3"
	f.sees(t, copied, "percent 10|-")
	f.record.UID = ""
	if err := f.record.write(); err != nil {
		t.Fatal(err)
	}
	f.sees(t, web(annotation, "percent 20"), "percent 20|-")
}

// Nothing comes back of an attachment that ends, and a file that makes no sense is written anew.
func TestFollowEnds(t *testing.T) {
	f := newFollowed(t, policies{}, policies{})
	for _, text := range []string{"", "nonsense", strings.Repeat("x", 1000)} {
		if err := os.WriteFile(f.record.appliedPath(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f.sees(t, web(annotation, "percent 10"), "percent 10|pass")
		f.sees(t, web(annotation, "percent 10"))
	}
	last, err := f.record.openApplied()
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	if err := os.Remove(f.record.appliedPath()); err != nil {
		t.Fatal(err)
	}
	if err := last.write(policies{"a", "b"}); err != nil {
		t.Error(err)
	}
	f.sees(t, web(annotation, "percent 20"))
	if _, err := os.Stat(f.record.appliedPath()); err == nil {
		t.Error("the file is back")
	}
}

// A daemon that is gone is none to wait for, and one that does not answer is.
func TestFollowDaemon(t *testing.T) {
	f := newFollowed(t, policies{}, policies{})
	f.record.Socket += ".gone"
	if err := f.record.write(); err != nil {
		t.Fatal(err)
	}
	f.sees(t, web(annotation, "percent 20"))
	f.sees(t, web(annotation, "percent 20"))
	if log := f.logged(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "gone") {
		t.Errorf("log:\n%s", log)
	}
	silent, err := net.Listen("unix", f.record.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if err := f.see(t.Context(), web(annotation, "percent 20")); err == nil || !strings.Contains(err.Error(), "default/web") {
		t.Errorf("a daemon that does not answer: %v", err)
	}
}
