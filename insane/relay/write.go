package relay

import (
	"errors"
	"os"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/port"
)

// flush writes the batch. If SetEnd replaces the end meanwhile, the rest goes to the new
// end, so that a change of the slave loses no frame.
func (r *Relay) flush() {
	if r.drain != nil && len(r.out) > 0 {
		r.drain()
	}
	out, shares, labels := r.out, r.outShares, r.outLabels
	for len(out) > 0 {
		to := r.to.Load()
		if to.Port == nil {
			r.refuseRest(to.Why, out, shares)
			return
		}
		n, err := r.write(to.Port, out, labels)
		for _, s := range shares[:n] {
			s.class.delta.relay(s)
		}
		r.wrote(out[:n], shares)
		out, shares, labels = out[n:], shares[n:], labels[n:]
		switch {
		case err == nil || len(out) == 0:
		case !errors.Is(err, os.ErrClosed):
			r.refuseRest(r.reasonOf(err), out[:1], shares[:1])
			out, shares, labels = out[1:], shares[1:], labels[1:]
		case r.to.Load() == to: // the port is closed, and no new end was set
			r.refuseRest(DropSlaveGone, out, shares)
			return
		}
	}
}

// wrote records frames that have left just now.
func (r *Relay) wrote(out []frame.Frame, shares []share) {
	if r.tape == nil || len(out) == 0 {
		return
	}
	now := r.clock()
	for i, f := range out {
		r.gone(f, shares[i], "", now)
	}
}

// refuseRest counts frames of the batch as dropped for a reason.
func (r *Relay) refuseRest(why Reason, out []frame.Frame, shares []share) {
	for i, s := range shares {
		r.gone(out[i], s, why.String(), r.began)
		s.class.delta.refuse(why, s)
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
