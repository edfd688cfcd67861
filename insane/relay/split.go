package relay

import (
	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// decideEach asks for the verdict of each of the n packets of a super-frame. capable: they
// can be marked.
func (r *Relay) decideEach(number uint64, n int, capable bool) {
	r.verdicts, r.keep = r.verdicts[:0], r.keep[:0]
	for i := range n {
		v := r.decide(number+uint64(i), 1, capable)
		r.verdicts, r.keep = append(r.verdicts, v), append(r.keep, !v.Lost())
	}
}

// same notes one verdict for all n packets of a super-frame.
func (r *Relay) same(v policy.Verdict, n int) {
	r.verdicts, r.keep = r.verdicts[:0], r.keep[:0]
	for range n {
		r.verdicts, r.keep = append(r.verdicts, v), append(r.keep, !v.Lost())
	}
}

// split relays the survivors of a super-frame as smaller frames. The verdicts are in
// r.verdicts; number is that of its first packet.
func (r *Relay) split(f frame.Frame, layout *frame.Layout, number uint64) {
	n := layout.Packets()
	r.out = r.splitter.Split(f, *layout, r.keep, r.out)
	for from := 0; from < n; {
		var to int
		if r.keep[from] {
			to = layout.Run(r.keep, from)
		} else {
			for to = from + 1; to < n && r.verdicts[to] == r.verdicts[from]; to++ {
			}
		}
		c := api.Count{Packets: uint64(to - from), Bytes: layout.Bytes(from, to)}
		if r.keep[from] {
			// It belongs to the frame that Split made of this run.
			r.outShares = append(r.outShares, share{Count: c, class: r.class, origin: r.origin(number+uint64(from), 0)})
		} else {
			r.class.delta.dropBy(r.verdicts[from].By, c)
		}
		from = to
	}
}
