package relay

import (
	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/port"
)

// labelOf returns the label that the host has given a frame. It must be called once for each
// frame, before the frame is changed.
func (r *Relay) labelOf(f frame.Frame) port.Label {
	if r.labels == nil || len(f) < frame.HeaderLen {
		return port.Label{}
	}
	priority, mark := r.labels.Of(f[frame.HeaderLen:])
	return port.Label{Priority: priority, Mark: mark}
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
