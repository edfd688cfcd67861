package insane

import (
	"slices"
	"sync"
	"time"

	"github.com/seed-39a139a1/insane/insane/control"
	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

const (
	// mostRecordings is how many there may be at once. Each has its own memory.
	mostRecordings = 4
	// recordBytes is the memory for the entries of a direction of a recording that are not read
	// yet: a tenth of a second of a gigabit a second.
	recordBytes = 16 << 20
)

// recordings are those of a device. Device.mu guards it.
type recordings struct {
	list  []*control.Recording
	ended chan struct{} // closed when nothing more comes
	once  sync.Once     // closes it
}

// end says that nothing more comes. A second call does nothing.
func (r *recordings) end() { r.once.Do(func() { close(r.ended) }) }

// Record begins a recording of both directions. While there is one, the relay carries
// everything: the kernel cannot write entries. When it returns, what comes is recorded. Record
// waits like Change, and may be called like it.
func (d *Device) Record(f ledger.Filter) (*control.Recording, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed.Load():
		return nil, api.Errorf(api.ErrInternal, "", "%s is being taken down", d.name)
	case len(d.recordings.list) >= mostRecordings:
		return nil, api.Errorf(api.ErrBusy, "", "%s is recorded %d times already", api.ShowName(d.name), mostRecordings)
	case f.Rule != "" && f.Rule != policy.DefaultRule && !slices.ContainsFunc(d.pair.Rules(), func(r policy.Rule) bool { return r.Name == f.Rule }):
		return nil, api.Errorf(api.ErrInvalid, "rule", "rule: %q: no such rule", f.Rule)
	}
	now := d.clock()
	tx, rx := ledger.NewRecorder(policy.TX, f, recordBytes), ledger.NewRecorder(policy.RX, f, recordBytes)
	r := &control.Recording{
		Header:    ledger.Header{Device: api.ShowName(d.name), Real: time.Now().UnixNano() - int64(now), Began: now, Setup: d.setup(), Filter: f},
		Recorders: []*ledger.Recorder{tx, rx}, Ended: d.recordings.ended,
	}
	r.Close = func() { d.stopRecord(r) }
	d.recordings.list = append(d.recordings.list, r)
	d.tx.Record(tx)
	d.rx.Record(rx)
	d.follows()
	return r, nil
}

// setup returns what was asked of the device. The caller holds d.mu.
func (d *Device) setup() ledger.Setup {
	tx, rx := d.tx.Ruleset(), d.rx.Ruleset()
	s := ledger.Setup{
		Seed: d.pair.Seed(), JudgeNeighbours: tx.JudgeNeighbours, TX: tx.Policy.String(), RX: rx.Policy.String(), Rules: d.pair.Rules().String(),
	}
	if len(s.Rules) > ledger.MaxRules {
		s.Rules, s.RulesLeftOut = "", true
	}
	return s
}

// stopRecord ends a recording.
func (d *Device) stopRecord(r *control.Recording) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.recordings.list = slices.DeleteFunc(d.recordings.list, func(other *control.Recording) bool { return other == r })
	d.tx.StopRecord(r.Recorders[0])
	d.rx.StopRecord(r.Recorders[1])
	d.follows()
}

// follows applies what the present configuration means for the host as the last pass saw it.
// The caller holds d.mu.
func (d *Device) follows() {
	if d.apply(d.seen) {
		d.refresh()
		d.reread()
	}
}
