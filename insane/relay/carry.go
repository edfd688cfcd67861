package relay

import (
	"slices"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// carry carries out verdicts that say more of a packet than whether it is lost. number is
// that of the first packet of the frame.
func (r *Relay) carry(f frame.Frame, l *frame.Layout, number uint64) {
	n := l.Packets()
	capable := r.class.program.ECNMark != 0 && frame.Capable(f)
	r.verdicts, r.keep = r.verdicts[:0], r.keep[:0]
	if r.class.program.Uniform(uint32(n)) {
		r.same(r.decide(number, uint64(n), capable), n)
	} else {
		r.decideEach(number, n, capable)
	}
	r.seen(f, number, "", r.verdicts...)
	r.first = number
	r.carryOut(f, l)
}

// carryOut carries out r.verdicts on the packets of a frame, whose sources sourceOf knows.
func (r *Relay) carryOut(f frame.Frame, l *frame.Layout) {
	n := l.Packets()
	r.mtu = uint32(l.MTU())
	if l.Whole() {
		r.carryRuns(f, l, 0, r.verdicts)
		return
	}
	r.pieces = r.splitter.Split(f, *l, r.keep, r.pieces[:0])
	pieces := r.pieces
	for from := 0; from < n; {
		if !r.keep[from] {
			from = r.lose(l, r.verdicts, from)
			continue
		}
		to := l.Run(r.keep, from)
		piece := pieces[0]
		pieces = pieces[1:]
		if sub, err := frame.Inspect(piece); err == nil {
			r.carryRuns(piece, &sub, from, r.verdicts[from:to])
		} else {
			c := api.Count{Packets: uint64(to - from), Bytes: l.Bytes(from, to)}
			src := r.sourceOf(from)
			r.gone(piece, share{Count: c, class: r.class, origin: src.origin(0)}, DropUnreadable.String(), r.now)
			r.class.delta.drop(DropUnreadable, c)
			r.trouble("take a super-frame apart", err)
		}
		from = to
	}
}

// lose counts the lost packets from one on that have the same verdict, and returns the one
// behind them.
func (r *Relay) lose(l *frame.Layout, verdicts []policy.Verdict, from int) (to int) {
	for to = from + 1; to < len(verdicts) && verdicts[to].Loss == verdicts[from].Loss; to++ {
	}
	r.class.delta.dropBy(verdicts[from].By, api.Count{Packets: uint64(to - from), Bytes: l.Bytes(from, to)})
	return to
}

// carryRuns carries out the verdicts of the packets of a frame that a port carries whole; at says
// which one of the present frame is the first. Packets that follow each other and have the same
// verdict stay together.
func (r *Relay) carryRuns(f frame.Frame, l *frame.Layout, at int, verdicts []policy.Verdict) {
	for from := 0; from < len(verdicts); {
		v := verdicts[from]
		if v.Lost() {
			from = r.lose(l, verdicts, from)
			continue
		}
		to := from + 1
		for v.Copies|v.Flips == 0 && to < len(verdicts) && verdicts[to] == v && r.together(at+from, at+to) {
			to++
		}
		c := api.Count{Packets: uint64(to - from), Bytes: l.Bytes(from, to)}
		if from == 0 && to == len(verdicts) {
			r.emit(f, l, at, v, c)
			return
		}
		piece, sub := r.cut(f, l, from, to), *l
		var err error
		if to-from > 1 {
			sub, err = frame.Inspect(piece)
		}
		if err == nil {
			r.emit(piece, &sub, at+from, v, c)
		} else {
			src := r.sourceOf(at + from)
			r.gone(piece, share{Count: c, class: r.class, origin: src.origin(0)}, DropMalformed.String(), r.now)
			r.class.delta.drop(DropMalformed, c)
			r.trouble("take packets out of a frame", err)
		}
		from = to
	}
}

// cut returns some packets of a frame as one frame. What is held is copied into the line at
// once, so that the next cut may overwrite it.
func (r *Relay) cut(f frame.Frame, l *frame.Layout, from, to int) frame.Frame {
	if r.class.holds {
		return r.splitter.CutOver(f, *l, from, to)
	}
	return r.splitter.Cut(f, *l, from, to)
}

// emit marks, damages and copies packets that have one verdict, and sends them on; at says which
// one of the present frame is the first. If they are to be damaged or copied, they are one packet.
func (r *Relay) emit(f frame.Frame, l *frame.Layout, at int, v policy.Verdict, c api.Count) {
	if v.Mark && frame.MarkCE(f) {
		add(&r.class.delta.marked[v.By], c)
	}
	src := r.sourceOf(at)
	itself := f
	if v.Flips != 0 {
		if v.Copies != 0 {
			itself = r.copyOf(f)
		}
		r.damage(itself, &src, 0, c)
	}
	r.class.delta.overrun(&r.class.delta.offered, r.send(itself, l, v, r.shareOf(&src, 0, c)))
	for i := range v.Copies {
		copied, cv := f, src.program.Copy(src.judged, src.number, i+1)
		if cv.Flips != 0 {
			copied = r.copyOf(f)
			r.damage(copied, &src, i+1, c)
		}
		add(&r.class.delta.copied, c)
		r.class.delta.overrun(&r.class.delta.copied, r.send(copied, l, cv, r.shareOf(&src, i+1, c)))
	}
}

// shareOf returns the share of packets of the present class, or of one of their copies.
func (r *Relay) shareOf(src *source, ordinal uint32, c api.Count) share {
	return share{Count: c, class: r.class, origin: src.origin(ordinal), room: src.replayed, noRoom: src.queue.Has(ordinal)}
}

// copyOf returns a copy of a frame that is valid until the end of the batch.
func (r *Relay) copyOf(f frame.Frame) frame.Frame {
	at := len(r.scratch)
	r.scratch = append(r.scratch, f...) // may move; earlier copies stay where they are
	return frame.Frame(slices.Clip(r.scratch[at:]))
}

// damage flips bits of a packet, or of one of its copies.
func (r *Relay) damage(f frame.Frame, src *source, ordinal uint32, c api.Count) {
	if h := f.Header(); h.GSOType != frame.GSONone { // a super-frame of one packet
		h.GSOType, h.GSOSize = frame.GSONone, 0
		f.SetHeader(h)
	}
	r.places = src.program.Flip(r.places[:0], src.number, ordinal, frame.Bits(f))
	frame.Flip(f, r.places)
	if len(r.places) > 0 {
		add(&r.class.delta.damaged, c)
	}
}

// send holds packets that are to wait, and relays others. It returns those that found no
// memory.
func (r *Relay) send(f frame.Frame, l *frame.Layout, v policy.Verdict, s share) (lost api.Count) {
	if v.Behind != 0 {
		add(&r.class.delta.reordered, s.Count)
	}
	if !r.class.holds {
		r.pass(f, s)
		return lost
	}
	r.class.delta.drawn.note(v.Delay, s.Packets)
	return r.hold(f, l, v, s)
}
