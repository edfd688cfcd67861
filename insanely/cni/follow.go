package cni

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"golang.org/x/time/rate"

	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/insanely/cni/pods"
)

// mirror is the annotation of a pod of which the API server has a copy only: in it is the UID that the
// runtime knows.
const mirror = "kubernetes.io/config.mirror"

// Limits of what is said of pods, whose annotations anybody may write who may write to pods.
const (
	maxSaid   = 1000    // pods of which it is known what was said
	maxValue  = 200     // bytes of an annotation in the log
	maxPolicy = 4 << 10 // bytes of an annotation that changes a device
)

// follower brings annotations into force on pods that run and have a device.
type follower struct {
	directory string            // of sockets and records
	said      map[string]string // by pod or attachment: the annotations about which something was said
	lines     *rate.Limiter
	log       *slog.Logger
}

func newFollower(directory string, log *slog.Logger) *follower {
	return &follower{directory: directory, said: make(map[string]string), lines: rate.NewLimiter(rate.Every(time.Second), 20), log: log}
}

// follow follows the pods of the node until ctx ends, if Kubernetes lets it.
func (n *node) follow(ctx context.Context) {
	node, err := pods.Open(pods.Options{
		Account: n.account, Host: os.Getenv("KUBERNETES_SERVICE_HOST"), Port: os.Getenv("KUBERNETES_SERVICE_PORT"),
		Node: os.Getenv("NODE_NAME"), Log: slog.Default(),
	})
	if err != nil {
		slog.Info("does not follow the annotations of pods that run", "err", err)
		return
	}
	node.Follow(ctx, newFollower(n.directory, slog.Default()).see)
}

// see brings the annotations of a pod into force on all of its devices. An error is worth another
// attempt.
func (f *follower) see(ctx context.Context, p pods.Pod) error {
	if !p.Runs {
		return nil
	}
	list, err := records(f.directory)
	if err != nil {
		return err
	}
	found := false
	for _, r := range list {
		if !r.belongs(p) || r.Failure != "" {
			continue
		}
		found = true
		if e := f.apply(ctx, r, p); e != nil {
			err = e
		}
	}
	if asked, ok := asks(p.Annotations, annotation, rxAnnotation); ok && asked != (policies{}) && !found {
		f.say("pod "+p.Namespace+"/"+p.Name, asked, func() {
			f.log.Warn("a pod with annotations has no device: it began without; make it anew, with the annotation in its template",
				"pod", name(p), annotation, cut(asked.TX), rxAnnotation, cut(asked.RX))
		})
	}
	return err
}

// belongs reports whether the attachment is that of a pod: of this one, and not of an earlier one
// with its name.
func (r *record) belongs(p pods.Pod) bool {
	return r.Pod != "" && r.Pod == p.Name && r.Namespace == p.Namespace &&
		(r.UID == "" || r.UID == p.UID || r.UID == p.Annotations[mirror])
}

// apply changes the policies of a device if the annotations ask for others than they did last.
func (f *follower) apply(ctx context.Context, r *record, p pods.Pod) error {
	wanted := r.Otherwise
	if asked, ok := asks(p.Annotations, annotation, rxAnnotation); ok {
		wanted = asked.whole()
	}
	last, err := r.openApplied()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it is ending, or an earlier version has begun it
	}
	if err != nil {
		return err
	}
	defer last.Close()
	change, differs := last.change(wanted)
	if !differs {
		delete(f.said, r.base)
		return nil
	}
	if f.said[r.base] == wanted.key() {
		return nil // it was refused
	}
	err = set(ctx, r.Socket, change)
	refused, isRefused := errors.AsType[*api.Error](err)
	switch {
	case err == nil:
		f.log.Info("the annotations of a pod are in force", "pod", name(p), "tx", cut(wanted.TX), "rx", cut(wanted.RX))
		delete(f.said, r.base)
		return last.write(wanted)
	case isRefused:
		field, value := blamed(refused, wanted)
		f.say(r.base, wanted, func() {
			f.log.Warn("an annotation of a pod cannot be, and changes nothing", "pod", name(p), "annotation", field, "value", cut(value), "err", cut(refused.Error()))
		})
		return nil
	case errors.Is(err, insanely.ErrNoDaemon):
		f.say("lost "+r.base, wanted, func() {
			f.log.Warn("the daemon of a pod is gone, and its annotations change nothing", "pod", name(p), "err", err)
		})
		return nil
	}
	return fmt.Errorf("set policies of pod %s: %w", name(p), err)
}

// set changes a device. A device would refuse a policy that is too long in more words than a client reads.
func set(ctx context.Context, socket string, c api.Change) error {
	for field, p := range map[string]*string{api.MemberTX: c.TX, api.MemberRX: c.RX} {
		if p != nil && len(*p) > maxPolicy {
			return api.Errorf(api.ErrTooLarge, field, "%s: longer than %d bytes", field, maxPolicy)
		}
	}
	client := insanely.Dial(socket)
	defer client.Close()
	_, err := client.Set(ctx, c)
	return err
}

// blamed returns the annotation that a device refuses, and its value.
func blamed(err *api.Error, p policies) (field, value string) {
	if err.Field == api.MemberRX {
		return rxAnnotation, p.RX
	}
	return annotation, p.TX
}

// say writes a line, once for the same policies of the same pod, and not too many in all. A line that
// is not written is so later.
func (f *follower) say(of string, p policies, line func()) {
	if f.said[of] == p.key() || !f.lines.Allow() {
		return
	}
	if len(f.said) >= maxSaid {
		clear(f.said)
	}
	f.said[of] = p.key()
	line()
}

// name returns the name of a pod for the log.
func name(p pods.Pod) string { return cut(p.Namespace + "/" + p.Name) }

// cut returns the beginning of a text that may have any length.
func cut(text string) string {
	if len(text) > maxValue {
		return text[:maxValue] + "…"
	}
	return text
}
