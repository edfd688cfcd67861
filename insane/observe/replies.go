package observe

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/seed-39a139a1/insane/insane/host"
)

// Traffic counts packets of a device since it began.
type Traffic struct {
	Sent  uint64 // relayed towards the slave, without messages of neighbours
	Asked uint64 // messages of neighbours relayed towards the slave
	Came  uint64 // offered to the device by the slave, also those that a policy dropped
}

// Spell is a time in which packets were sent and none came.
type Spell struct {
	Sent, Asked uint64        // packets, as in Traffic
	Began       time.Duration // when the first of them was counted, on the clock of note; 0: none was sent
	Lasted      time.Duration // from the first to the last of them, as far as was noted
}

// A spell is long if there were several packets, and a few seconds between the first and the
// last: an answer would have come meanwhile.
const (
	longSpell = 3 * time.Second
	fewest    = 3 // packets
)

// Long reports whether the spell is long enough to be told.
func (s Spell) Long() bool { return s.Lasted >= longSpell && s.Sent+s.Asked >= fewest }

// Silence is a spell, and what the host knows about it and about neighbours that do not
// answer.
type Silence struct {
	Spell
	Looked   bool       // somebody has looked at the host during the spell; if not, the next four are unknown
	Answered bool       // some neighbour has answered a question through the interface
	Strict   bool       // the slave refuses IPv4 packets whose answers would leave through another link
	Bridge   string     // name of the bridge that the slave is a port of; "": none
	Foreign  netip.Addr // the source of a packet that was sent, which is no address of this host; the zero Addr: none was seen

	// Unanswered is a neighbour that was asked for until now, for the time Waited, and has not
	// answered; the zero Addr: there is none. It may be told also if there is no spell.
	Unanswered netip.Addr
	Waited     time.Duration
	Others     int  // how many neighbours more are like this
	OffLink    bool // Unanswered is in no network of interface and slave, which have others of its family
}

// Replies notices when packets are sent and nothing comes back. The zero value is ready for
// use. It is safe for concurrent use.
type Replies struct {
	mu     sync.Mutex
	about  any     // the value of about at the last note
	base   Traffic // when something last came, or when the spell began
	now    Traffic // at the last note
	spell  Spell
	looked time.Duration // when due last returned true; 0: never
	asked  uint64        // Asked at that time
	seen   Silence       // at the last look

	waiting map[netip.Addr]time.Duration // when a look first found that a neighbour does not answer
}

// Counter has the counters of one direction, in packets since the daemon started. A
// relay.Relay is one.
type Counter interface {
	// Passed returns the packets that were offered, those that were relayed, and the
	// messages of neighbours that were relayed. It waits for nothing.
	Passed() (offered, relayed, neighbour uint64)
}

// Sender is the Counter of what is sent.
type Sender interface {
	Counter

	// Source returns the source address of a packet that was relayed since the call before;
	// the zero Addr if there was none. It waits for nothing.
	Source() netip.Addr
}

// begin is when the clock of Hear began.
var begin = time.Now()

// Hear reads the counters of both directions of a device. While a long spell lasts, or
// neighbours are asked for, it also looks at the host now and then, and waits for that as long
// as Look does. Call it from time to time, from one goroutine.
func (r *Replies) Hear(o *Observer, tx Sender, rx Counter) {
	var t Traffic
	_, t.Sent, t.Asked = tx.Passed()
	t.Came, _, _ = rx.Passed()
	now := time.Since(begin)
	r.note(now, [2]any{o.Sockets, o.Takes}, t)
	if !r.due(now) {
		return
	}
	seen, waiting := o.observeSilence(tx.Source(), now, r.waiting) // only this goroutine changes waiting
	r.mu.Lock()
	defer r.mu.Unlock()
	seen.Began = r.spell.Began
	if !seen.Foreign.IsValid() && seen.Began == r.seen.Began {
		seen.Foreign = r.seen.Foreign
	}
	r.seen, r.waiting = seen, waiting
}

// Forget ends the spell and forgets the neighbours that are asked for: while nothing can leave,
// nobody can answer. Call it from the goroutine that calls Hear.
func (r *Replies) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spell, r.base, r.seen, r.waiting = Spell{}, r.now, Silence{}, nil
}

// Silence returns the present spell, and what is known. It waits for nothing.
func (r *Replies) Silence() Silence {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.seen
	s.Looked = s.Looked && s.Began == r.spell.Began
	s.Spell = r.spell
	return s
}

// note records the counters at the time now, on a clock that does not go back. A spell ends
// when something comes, and when about, any comparable value, is another one than before.
func (r *Replies) note(now time.Duration, about any, t Traffic) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sent := t.Sent != r.now.Sent || t.Asked != r.now.Asked
	if about != r.about || t.Came != r.now.Came {
		r.about, r.base, r.spell, sent = about, t, Spell{}, false
	}
	r.now = t
	if !sent {
		return
	}
	if r.spell.Began == 0 {
		r.spell.Began = now
	}
	r.spell.Lasted = now - r.spell.Began
	r.spell.Sent, r.spell.Asked = t.Sent-r.base.Sent, t.Asked-r.base.Asked
}

// lookEvery is how often Hear looks at the host at most.
const lookEvery = 2 * time.Second

// due reports whether the host is to be looked at: for the cause of a long spell, or for
// neighbours that are asked for or do not answer. It returns true at most once in lookEvery.
func (r *Replies) due(now time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	wanted := r.spell.Long() || r.now.Asked >= r.asked+fewest || len(r.waiting) > 0
	if !wanted || r.looked != 0 && now < r.looked+lookEvery {
		return false
	}
	r.looked, r.asked = now, r.now.Asked
	return true
}

// forgotten is how long ago a packet must have been sent to a neighbour that does not answer,
// so that nobody asks for it any more.
const forgotten = 5 * time.Second

// wait returns the neighbours that are asked for and do not answer, each with the time when
// it was first found so. before is the result of the look before.
func wait(now time.Duration, before map[netip.Addr]time.Duration, all []host.Neighbour) map[netip.Addr]time.Duration {
	waiting := make(map[netip.Addr]time.Duration)
	for _, n := range all {
		if n.Answered || n.Unused > forgotten {
			continue
		}
		first, known := before[n.Addr]
		if !known {
			first = now
		}
		waiting[n.Addr] = first
	}
	return waiting
}

// longest fills in the neighbour that has been asked for longest, if that is long.
func (s *Silence) longest(now time.Duration, waiting map[netip.Addr]time.Duration) {
	for addr, first := range waiting {
		waited := now - first
		if waited < longSpell {
			continue
		}
		if s.Others++; !s.Unanswered.IsValid() || waited > s.Waited || waited == s.Waited && addr.Less(s.Unanswered) {
			s.Unanswered, s.Waited = addr, waited
		}
	}
	s.Others = max(0, s.Others-1)
}

// observeSilence looks for what may keep answers away. source is that of a packet which was
// sent. If a look-up fails, nothing is known.
func (o *Observer) observeSilence(source netip.Addr, now time.Duration, before map[netip.Addr]time.Duration) (s Silence, waiting map[netip.Addr]time.Duration) {
	neighbours, err := o.Links.Neighbours(o.Index)
	if err != nil {
		return s, nil
	}
	addresses, err := o.Links.Addresses()
	if err != nil {
		return s, nil
	}
	waiting = wait(now, before, neighbours)
	s = Silence{Looked: true, Strict: host.StrictReversePath(o.Slave), Bridge: o.Links.BridgeOf(o.On)}
	s.Answered = slices.ContainsFunc(neighbours, func(n host.Neighbour) bool { return n.Answered })
	if own := func(a host.Address) bool { return a.Prefix.Addr() == source }; source.IsValid() && !source.IsUnspecified() && !slices.ContainsFunc(addresses, own) {
		s.Foreign = source
	}
	s.longest(now, waiting)
	s.OffLink = s.Unanswered.IsValid() && !s.Unanswered.IsLinkLocalUnicast() && o.offLink(s.Unanswered, addresses)
	return s, waiting
}

// offLink reports whether the interface and the slave have addresses of the family of addr,
// and addr is in none of their networks.
func (o *Observer) offLink(addr netip.Addr, all []host.Address) bool {
	near := slices.DeleteFunc(slices.Clone(all), func(a host.Address) bool {
		own := a.Prefix.Addr()
		return a.Link != o.Index && a.Link != o.On || own.Is4() != addr.Is4() || own.IsLinkLocalUnicast()
	})
	contains := func(a host.Address) bool { return a.Prefix.Masked().Contains(addr) }
	return len(near) > 0 && !slices.ContainsFunc(near, contains)
}
