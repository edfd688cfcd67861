package verify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/insanely/verify/witness"
)

// Client asks the device; an *insanely.Client does.
type Client interface {
	Info(ctx context.Context) (api.Info, error)
	Rules(ctx context.Context) ([]api.Rule, error)
}

// ErrRights is the error of Run if the process lacks a right. The message names it.
var ErrRights = witness.ErrRights

// Waits of a run.
const (
	settling   = 150 * time.Millisecond // until the kernel stamps all packets
	beat       = time.Second            // between two looks whether the device has changed
	stepsAside = 5 * time.Second        // until the fast path has noticed a packet socket
)

// Run watches the device for a time, or until ctx ends, and compares. It sends nothing. It must be
// called in the network namespace of the device. The error says why nothing can be said: the
// policies were changed meanwhile, or the witness could not keep up.
func Run(ctx context.Context, client Client, length time.Duration) (Report, error) {
	w := &watch{client: client, length: length}
	first, err := w.read()
	if err != nil {
		return Report{}, err
	}
	if err := watchable(first.info); err != nil {
		return Report{}, err
	}
	if w.seen, err = newCollection(first.rules, first.info.JudgeNeighbours); err != nil {
		return Report{}, err
	}
	if w.hold, err = longestHold(first.rules); err != nil {
		return Report{}, err
	}
	w.opened = witness.Now()
	eyes, err := witness.Open(witness.Options{
		Interface: api.ReadName(first.info.Name), Slave: api.ReadName(first.info.Slave), See: w.seen.see,
	})
	if err != nil {
		return Report{}, err
	}
	defer eyes.Stop()
	if err := w.settle(eyes.SeesRelay); err != nil {
		return Report{}, err
	}
	if err := w.wait(ctx, &first); err != nil {
		return Report{}, err
	}
	until := witness.Now()
	eyes.Stop()
	if lost := eyes.Lost() + w.seen.overflow.Load(); lost > 0 {
		return Report{}, fmt.Errorf("the witness lost %s frames: too much traffic for it, so nothing can be said", count(lost))
	}
	w.seen.sort(until)
	report, err := w.judge()
	if eyes.SeesRelay {
		report.Notes = append(report.Notes, "this kernel has no tcx: the relay has carried all that was sent while verify watched")
	}
	return report, err
}

// watch is one run.
type watch struct {
	client     Client
	length     time.Duration
	hold       time.Duration // the longest time that a packet may be in the device
	opened     int64         // when the witness began
	seen       *collection
	begin, end reading
}

// watchable returns an error if there is nothing to watch, or not from here.
func watchable(info api.Info) error {
	here, err := os.Readlink("/proc/self/ns/net")
	switch {
	case err == nil && info.Namespace != "" && info.Namespace != here:
		return fmt.Errorf("the device is in another network namespace (%s) than verify (%s): run it there", info.Namespace, here)
	case info.SlaveState == api.SlaveNone || info.SlaveState == api.SlaveGone:
		return errors.New("the device has no slave, so there is nothing to watch")
	}
	return nil
}

// read asks for the state of the device. The requests have their own time limits.
func (w *watch) read() (r reading, err error) {
	r.asked = witness.Now()
	if r.info, err = w.client.Info(context.Background()); err != nil {
		return r, err
	}
	r.rules, err = w.client.Rules(context.Background())
	r.told = witness.Now()
	return r, err
}

// settle waits until the witness sees everything. If it sees only what the relay sends, the device has to
// notice it first, and then the relay carries all that is sent.
func (w *watch) settle(seesRelay bool) error {
	time.Sleep(settling)
	for end := time.Now().Add(stepsAside); seesRelay; time.Sleep(settling) {
		now, err := w.read()
		switch {
		case err != nil:
			return err
		case now.info.TX.Path == api.PathRelay:
			return nil
		case time.Now().After(end):
			return errors.New("the device's fast path does not step aside for the witness: nothing can be said")
		}
	}
	return nil
}

// wait lets the time pass, reads the counters before and after it, and fails if the device changes.
func (w *watch) wait(ctx context.Context, first *reading) (err error) {
	if w.begin, err = w.read(); err != nil {
		return err
	}
	if what := changed(first, &w.begin); what != "" {
		return changing(what)
	}
	for end := time.Now().Add(w.length); ctx.Err() == nil && time.Now().Before(end); {
		select {
		case <-ctx.Done():
		case <-time.After(min(beat, time.Until(end))):
		}
		if w.end, err = w.read(); err != nil {
			return err
		}
		if what := changed(&w.begin, &w.end); what != "" {
			return changing(what)
		}
	}
	if w.end.told == 0 { // it was interrupted at once
		w.end = w.begin
	}
	time.Sleep(w.hold) // until what is held has come out
	last, err := w.read()
	if err != nil {
		return err
	}
	if what := changed(&w.end, &last); what != "" {
		return changing(what)
	}
	return nil
}

func changing(what string) error {
	return fmt.Errorf("%s changed while verify watched: nothing can be said, run it again", what)
}

// slack is what is added to the longest time that a packet may be in the device: it may be late.
const slack = 300 * time.Millisecond

// mostHold bounds the time that a run waits for packets that are held.
const mostHold = 2 * time.Minute

// longestHold returns how long a packet may be in the device.
func longestHold(rules []api.Rule) (time.Duration, error) {
	longest := time.Duration(0)
	for _, r := range rules {
		for _, d := range []*api.RuleDirection{r.TX, r.RX} {
			if d == nil {
				continue
			}
			a, err := read(d.Policy)
			if err != nil {
				return 0, err
			}
			longest = max(longest, a.longest())
		}
	}
	return min(mostHold, longest) + slack, nil
}

// longest returns how long a packet may wait because of the policy.
func (a *asked) longest() (t time.Duration) {
	const largest = 1514 // bytes of a usual packet
	t = time.Duration(a.delay.most())
	if a.link.bits > 0 {
		t += time.Duration(min(1e12, a.link.bound(largest)+a.link.takes(largest)/a.link.bits*1e9))
	}
	if a.reorder > 0 {
		t += 100 * time.Millisecond
	}
	if len(a.unknown) > 0 {
		t += time.Second
	}
	return t
}
