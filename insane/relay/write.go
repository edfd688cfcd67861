package relay

import (
	"errors"
	"os"

	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// flush writes the batch. If SetEnd replaces the end meanwhile, the rest goes to the new
// end, so that a change of the slave loses no frame.
func (r *Relay) flush() {
	out, count, labels := r.out, r.outCount, r.outLabel
	for len(out) > 0 {
		to := r.to.Load()
		if to.Port == nil {
			r.refuse(to.Why, count)
			return
		}
		n, err := r.write(to.Port, out, labels)
		for _, c := range count[:n] {
			add(&r.delta.relayed, c)
		}
		out, count, labels = out[n:], count[n:], labels[n:]
		switch {
		case err == nil || len(out) == 0:
		case !errors.Is(err, os.ErrClosed):
			r.refuse(r.reasonOf(err), count[:1])
			out, count, labels = out[1:], count[1:], labels[1:]
		case r.to.Load() == to: // the port is closed, and no new end was set
			r.refuse(DropSlaveGone, count)
			return
		}
	}
}

// refuse counts frames of the batch as dropped for a reason.
func (r *Relay) refuse(why Reason, count []api.Count) {
	for _, c := range count {
		r.delta.drop(why, c)
	}
}

// reasonOf returns the reason that a refused frame counts for.
func (r *Relay) reasonOf(err error) Reason {
	switch {
	case errors.Is(err, port.ErrBusy):
		return DropSlaveBusy
	case errors.Is(err, port.ErrDown):
		return DropSlaveDown
	case errors.Is(err, port.ErrGone):
		return DropSlaveGone
	case errors.Is(err, port.ErrTooBig):
		return DropTooBig
	case errors.Is(err, port.ErrInvalid):
		r.trouble("drop frame that the kernel refuses", err)
		return DropMalformed
	default:
		r.trouble("drop frame that the kernel refuses", err)
		return DropError
	}
}

// trouble logs an error about a frame, at most once a second; the counters show how often
// such errors occur.
func (r *Relay) trouble(what string, err error) {
	r.often.Do(func() { r.log.Warn(what, "err", err) })
}
