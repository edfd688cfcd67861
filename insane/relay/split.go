package relay

import (
	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// split asks for the verdict of each packet of a super-frame and relays the
// runs of survivors as smaller ones.
func (r *Relay) split(f frame.Frame, layout frame.Layout, rs *Ruleset, now policy.Time, number uint64) {
	n := layout.Packets()
	r.keep = r.keep[:0]
	for i := range n {
		r.keep = append(r.keep, r.decide(rs, now, number+uint64(i), 1) == policy.Relay)
	}
	r.out = r.splitter.Split(f, layout, r.keep, r.out)
	for from := 0; from < n; {
		to := from + 1
		for to < n && r.keep[to] == r.keep[from] {
			to++
		}
		c := api.Count{Packets: uint64(to - from), Bytes: layout.Bytes(from, to)}
		if r.keep[from] {
			r.outCount = append(r.outCount, c) // beside the frame that Split made of this run
		} else {
			r.delta.drop(DropPolicy, c)
		}
		from = to
	}
}
