package observe

import (
	"net/netip"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane/host"
)

// A spell begins with a packet that is sent, and ends when something comes. It lasts as long
// as packets are sent.
func TestReplies(t *testing.T) {
	const step = 400 * time.Millisecond
	var r Replies
	for i, c := range []struct {
		what string
		t    Traffic
		want Spell
		long bool
	}{
		{"nothing", Traffic{5, 5, 5}, Spell{}, false},
		{"nothing yet", Traffic{5, 5, 5}, Spell{}, false},
		{"one sent", Traffic{6, 5, 5}, Spell{1, 0, 2 * step, 0}, false},
		{"no more", Traffic{6, 5, 5}, Spell{1, 0, 2 * step, 0}, false},
		{"one asked", Traffic{6, 6, 5}, Spell{1, 1, 2 * step, 2 * step}, false},
		{"many sent", Traffic{89, 6, 5}, Spell{84, 1, 2 * step, 3 * step}, false},
		{"no more", Traffic{89, 6, 5}, Spell{84, 1, 2 * step, 3 * step}, false},
		{"no more", Traffic{89, 6, 5}, Spell{84, 1, 2 * step, 3 * step}, false},
		{"no more", Traffic{89, 6, 5}, Spell{84, 1, 2 * step, 3 * step}, false},
		{"no more", Traffic{89, 6, 5}, Spell{84, 1, 2 * step, 3 * step}, false},
		{"one more", Traffic{90, 6, 5}, Spell{85, 1, 2 * step, 8 * step}, true},
		{"no more", Traffic{90, 6, 5}, Spell{85, 1, 2 * step, 8 * step}, true},
		{"an answer", Traffic{91, 6, 6}, Spell{}, false},
		{"one sent", Traffic{92, 6, 6}, Spell{1, 0, 13 * step, 0}, false},
	} {
		r.note(time.Duration(i)*step, "eth0", c.t)
		if got := r.Silence().Spell; got != c.want || got.Long() != c.long {
			t.Errorf("%d, %s: %+v, long %v; want %+v, %v", i, c.what, got, got.Long(), c.want, c.long)
		}
	}
	r.note(time.Hour, "eth1", Traffic{100, 6, 6})
	if got := r.Silence().Spell; got != (Spell{}) {
		t.Errorf("with another slave: %+v", got)
	}
}

// While nothing can leave, nobody is waited for, and what was sent before counts no longer.
func TestRepliesForget(t *testing.T) {
	var r Replies
	r.note(1, nil, Traffic{})
	for i := range 10 {
		r.note(time.Duration(i+1)*time.Second, nil, Traffic{Sent: uint64(i)})
	}
	r.seen.Unanswered = netip.MustParseAddr("10.9.0.2")
	r.waiting = map[netip.Addr]time.Duration{r.seen.Unanswered: time.Second}
	r.Forget()
	if got := r.Silence(); got != (Silence{}) || r.waiting != nil {
		t.Errorf("%+v, waiting for %v", got, r.waiting)
	}
	r.note(11*time.Second, nil, Traffic{Sent: 10})
	if got := r.Silence().Spell; got.Sent != 1 || got.Lasted != 0 {
		t.Errorf("%+v, want one packet", got)
	}
}

// Two packets in a long time are no long spell.
func TestFewPacketsAreNoSpell(t *testing.T) {
	var r Replies
	r.note(1, nil, Traffic{})
	for i := range 3 {
		r.note(time.Duration(i+1)*time.Minute, nil, Traffic{Sent: uint64(i)})
	}
	if got := r.Silence(); got.Long() || got.Sent != 2 {
		t.Errorf("%+v is long", got)
	}
}

// The host is looked at while a spell lasts, and not too often. What was seen holds for that
// spell only.
func TestRepliesLook(t *testing.T) {
	var r Replies
	looks := 0
	for i := range 100 {
		now := time.Duration(i) * 100 * time.Millisecond
		r.note(now, nil, Traffic{Sent: uint64(i)})
		if r.due(now) {
			looks++
		}
	}
	if looks != 4 { // after 3.1 s, and then every 2 s
		t.Errorf("%d looks in 10 s", looks)
	}
	r.seen = Silence{Spell: r.spell, Looked: true}
	if !r.Silence().Looked {
		t.Error("what was seen is forgotten")
	}
	r.note(time.Minute, nil, Traffic{Sent: 100, Came: 1})
	r.note(2*time.Minute, nil, Traffic{Sent: 101, Came: 1})
	if r.due(time.Hour) || r.Silence().Looked {
		t.Error("what was seen of an earlier spell counts")
	}
	r.note(time.Hour, nil, Traffic{Sent: 101, Asked: fewest, Came: 2})
	if !r.due(2*time.Hour) || r.due(2*time.Hour+1) || r.due(3*time.Hour) {
		t.Error("no look, or another one, for what was asked")
	}
}

// A neighbour that is asked for and does not answer is told after a while, and no longer when
// it answers or nobody asks.
func TestWaitingForNeighbours(t *testing.T) {
	addr := netip.MustParseAddr
	one, two, three := addr("10.9.0.1"), addr("10.9.0.2"), addr("10.9.0.3")
	var waiting map[netip.Addr]time.Duration
	for i, c := range []struct {
		all    []host.Neighbour
		want   netip.Addr
		others int
	}{
		{[]host.Neighbour{{Addr: one}, {Addr: three, Answered: true}}, netip.Addr{}, 0},
		{[]host.Neighbour{{Addr: one}, {Addr: two}}, netip.Addr{}, 0},
		{[]host.Neighbour{{Addr: one}, {Addr: two}}, one, 0},
		{[]host.Neighbour{{Addr: one}, {Addr: two}}, one, 1},
		{[]host.Neighbour{{Addr: one, Answered: true}, {Addr: two}}, two, 0},
		{[]host.Neighbour{{Addr: one}, {Addr: two, Unused: time.Minute}}, netip.Addr{}, 0},
		{[]host.Neighbour{{Addr: one}, {Addr: two}}, netip.Addr{}, 0},
		{nil, netip.Addr{}, 0},
	} {
		now := time.Duration(i) * 2 * time.Second
		waiting = wait(now, waiting, c.all)
		var s Silence
		if s.longest(now, waiting); s.Unanswered != c.want || s.Others != c.others {
			t.Errorf("%d: %v and %d others, want %v and %d", i, s.Unanswered, s.Others, c.want, c.others)
		}
	}
}

// A neighbour is off the link if the networks of interface and slave do not contain it.
func TestOffLink(t *testing.T) {
	o := &Observer{Index: 7, On: 2}
	address := func(link int, text string) host.Address {
		return host.Address{Link: link, Prefix: netip.MustParsePrefix(text)}
	}
	for _, tt := range []struct {
		addr string
		all  []host.Address
		want bool
	}{
		{"10.9.0.7", nil, false},
		{"10.9.0.7", []host.Address{address(2, "10.9.0.1/24")}, false},
		{"10.9.0.7", []host.Address{address(2, "10.8.0.1/24")}, true},
		{"10.9.0.7", []host.Address{address(2, "10.8.0.1/24"), address(7, "10.9.0.1/24")}, false},
		{"10.9.0.7", []host.Address{address(2, "10.8.0.1/24"), address(3, "10.9.0.1/24")}, true},
		{"10.9.0.7", []host.Address{address(3, "10.9.0.1/24"), address(2, "fd00:9::1/64")}, false},
		{"fd00:9::7", []host.Address{address(2, "fd00:8::1/64"), address(2, "fe80::1/64")}, true},
		{"fd00:9::7", []host.Address{address(2, "fe80::1/64"), address(2, "10.8.0.1/24")}, false},
	} {
		if got := o.offLink(netip.MustParseAddr(tt.addr), tt.all); got != tt.want {
			t.Errorf("%s beside %v: %v, want %v", tt.addr, tt.all, got, tt.want)
		}
	}
}
