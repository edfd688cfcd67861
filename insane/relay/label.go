package relay

import (
	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/port"
)

// noted takes down what the kernel says of frame i of a batch beside its bytes: its label, and
// when it arrived. It must be called once for each frame, in order, and before the frame is
// changed. What arrived before the ruleset came counts as having arrived then.
func (r *Relay) noted(i int, f frame.Frame) {
	var l kern.Label
	if r.labels != nil && len(f) >= frame.HeaderLen {
		l = r.labels.Of(f[frame.HeaderLen:])
	}
	if i < len(r.arrivals) {
		l.Entered = r.arrivals[i]
	}
	r.label = port.Label{Priority: l.Priority, Mark: l.Mark}
	if l.Entered == 0 {
		l.Entered = r.now
	}
	r.arrived = min(r.now, max(r.arrived, l.Entered))
}

// stamp makes the kernel note when frames arrive, or ends that. A port that cannot do so
// leaves the time at which it returned the frame.
func (r *Relay) stamp(on bool) {
	if r.stamps == on {
		return
	}
	r.stamps = on
	r.labels.Stamp(on)
	if r.stamper != nil {
		if err := r.stamper.Stamp(on); err != nil {
			r.log.Debug("note when frames arrive", "err", err)
		}
	}
}

// write writes those frames of out that have the label of the first. labels has one label
// for each frame. If the port cannot give them their label, it sends them without.
func (r *Relay) write(to port.Port, out []frame.Frame, labels []port.Label) (int, error) {
	same := 1
	for same < len(out) && labels[same] == labels[0] {
		same++
	}
	if l, ok := to.(port.Labeller); ok {
		if err := l.SetLabel(labels[0]); err != nil {
			r.trouble("keep priority and mark of frames", err)
		}
	}
	return to.Write(out[:same])
}
