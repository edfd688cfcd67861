package relay

import (
	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// split asks for the verdict of each packet of a super-frame, and relays each run of
// survivors as a smaller frame.
func (r *Relay) split(f frame.Frame, layout frame.Layout, rs *Ruleset, now policy.Time, number uint64) {
	n := layout.Packets()
	r.verdicts, r.keep = r.verdicts[:0], r.keep[:0]
	for i := range n {
		v := r.decide(rs, now, number+uint64(i), 1)
		r.verdicts, r.keep = append(r.verdicts, v), append(r.keep, !v.Drops())
	}
	r.out = r.splitter.Split(f, layout, r.keep, r.out)
	for from := 0; from < n; {
		to := from + 1
		for to < n && r.verdicts[to] == r.verdicts[from] {
			to++
		}
		c := api.Count{Packets: uint64(to - from), Bytes: layout.Bytes(from, to)}
		if r.keep[from] {
			r.outShares = append(r.outShares, share{Count: c}) // belongs to the frame that Split made of this run
		} else {
			r.delta.dropBy(r.verdicts[from], c)
		}
		from = to
	}
}
