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

// Silence is a spell, and what the host knows about it.
type Silence struct {
	Spell
	Looked     bool       // somebody has looked at the host during the spell; else the rest is unknown
	Answered   bool       // some neighbour has answered a question through the interface
	Unanswered netip.Addr // a neighbour that has not; the zero Addr: there is none
	OffLink    bool       // Unanswered is in no network of interface and slave, which have others of its family
	Strict     bool       // the slave refuses IPv4 packets whose answers would leave through another link
	Bridge     string     // name of the bridge that the slave is a port of; "": none
}

// Replies notices when packets are sent and nothing comes back. The zero value is ready for
// use. It is safe for concurrent use.
type Replies struct {
	mu     sync.Mutex
	about  any     // the value of about at the last note
	base   Traffic // when something last came, or when the spell began
	now    Traffic // at the last note
	spell  Spell
	looked time.Duration // when due last returned true
	seen   Silence       // at the last look
}

// Counter has the counters of one direction, in packets since the daemon started. A
// relay.Relay is one.
type Counter interface {
	// Passed returns the packets that were offered, those that were relayed, and the
	// messages of neighbours that were relayed. It waits for nothing.
	Passed() (offered, relayed, neighbour uint64)
}

// begin is when the clock of Hear began.
var begin = time.Now()

// Hear reads the counters of both directions of a device. While a long spell lasts, it also
// looks at the host now and then, and waits for that as long as Look does. Call it from time
// to time, from one goroutine.
func (r *Replies) Hear(o *Observer, tx, rx Counter) {
	var t Traffic
	_, t.Sent, t.Asked = tx.Passed()
	t.Came, _, _ = rx.Passed()
	now := time.Since(begin)
	r.note(now, [2]any{o.Sockets, o.Takes}, t)
	if !r.due(now) {
		return
	}
	seen := o.observeSilence()
	r.mu.Lock()
	defer r.mu.Unlock()
	seen.Began = r.spell.Began
	r.seen = seen
}

// Silence returns the present spell, and what is known about it. It waits for nothing.
func (r *Replies) Silence() (s Silence) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen.Began == r.spell.Began {
		s = r.seen
	}
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

// lookEvery is how often Hear looks at the host while a spell lasts.
const lookEvery = 2 * time.Second

// due reports whether the host is to be looked at for the cause of a long spell. It returns
// true at most once in lookEvery.
func (r *Replies) due(now time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.spell.Long() || r.looked != 0 && now < r.looked+lookEvery {
		return false
	}
	r.looked = now
	return true
}

// observeSilence looks for what may keep answers away. If a look-up fails, nothing is known.
func (o *Observer) observeSilence() (s Silence) {
	neighbours, err := o.Links.Neighbours(o.Index)
	if err != nil {
		return s
	}
	addresses, err := o.Links.Addresses()
	if err != nil {
		return s
	}
	s.Looked, s.Strict, s.Bridge = true, host.StrictReversePath(o.Slave), o.Links.BridgeOf(o.On)
	for _, n := range neighbours {
		if n.Answered {
			s.Answered = true
		} else if !s.Unanswered.IsValid() {
			s.Unanswered = n.Addr
		}
	}
	s.OffLink = s.Unanswered.IsValid() && !s.Unanswered.IsLinkLocalUnicast() && o.offLink(s.Unanswered, addresses)
	return s
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
