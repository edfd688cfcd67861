package relay

import (
	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/match"
)

// classify finds the rule of each packet of a frame, and judges it. The last packet of a
// super-frame may belong to another rule than the others, which are alike. spared: the frame
// is a message of neighbours, which only a rule judges that names such messages.
func (r *Relay) classify(f frame.Frame, l *frame.Layout, spared bool, to *End) {
	n := l.Packets()
	key := frame.Key(f)
	length := uint32(l.Bytes(n-1, n))
	if spared {
		if place, there := r.rs.neighbour(&key, length); there {
			r.class, spared = r.classOf(place), false
		}
		r.judgeAll(f, l, spared, to)
		return
	}
	last := r.find(&key, length)
	r.class = last
	if n > 1 {
		earlier := frame.EarlierKey(key)
		r.class = r.find(&earlier, uint32(l.Bytes(0, 1)))
	}
	if r.class == last {
		r.judgeAll(f, l, false, to)
		return
	}
	r.judgePart(f, l, 0, n-1, to)
	r.class = last
	r.judgePart(f, l, n-1, n, to)
}

// judgePart judges some packets of a super-frame, which belong to r.class.
func (r *Relay) judgePart(f frame.Frame, l *frame.Layout, from, end int, to *End) {
	piece := r.splitter.Cut(f, *l, from, end)
	part, err := frame.Inspect(piece)
	if err != nil {
		c := api.Count{Packets: uint64(end - from), Bytes: l.Bytes(from, end)}
		number := r.class.rule.next.take(c.Packets)
		add(&r.class.delta.offered, c)
		r.seen(piece, number, DropUnreadable.String())
		r.class.delta.drop(DropUnreadable, c)
		r.trouble("take a super-frame apart", err)
		return
	}
	r.judgeAll(piece, &part, false, to)
}

// find returns the class of a packet.
func (r *Relay) find(k *match.Key, length uint32) *class {
	if place, there := r.rs.table.Lookup(k, length); there {
		return r.classOf(place)
	}
	return r.touch(r.own)
}

// neighbour returns the place of the rule that judges a message of neighbours.
func (rs *Ruleset) neighbour(k *match.Key, length uint32) (place int, there bool) {
	if rs.neighboursTable == nil {
		return 0, false
	}
	i, there := rs.neighboursTable.Lookup(k, length)
	if !there {
		return 0, false
	}
	return rs.neighbours[i], true
}

// classOf returns the class of the packets of rule number i. It makes it for the first of
// them.
func (r *Relay) classOf(i int) *class {
	if r.classes[i] == nil {
		c := newClass()
		r.classes[i] = c
		r.follow(c, r.rs.rules[i], r.rs.rules[i].compile(), r.now)
	}
	c := r.classes[i]
	if v := r.rs.version; c.offered != v && r.kernel.RulesInForce() == v {
		r.offer(c, i)
	}
	return r.touch(c)
}

// settleClasses makes the lines of the rules follow a ruleset. Packets of a rule that is gone
// leave at once.
func (r *Relay) settleClasses(rs *Ruleset, now policy.Time) {
	old := r.classes
	r.classes = make([]*class, len(rs.rules))
	for _, c := range old {
		if c == nil {
			continue
		}
		i, there := rs.names.place(c.rule.Name)
		switch {
		case !there:
			r.stopWaiting(c, now)
			r.retire(c, nil)
			continue
		case rs.rules[i] != c.rule:
			r.follow(c, rs.rules[i], rs.rules[i].compile(), now)
		}
		r.classes[i] = c
	}
}
