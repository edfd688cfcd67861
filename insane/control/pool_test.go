package control

import (
	"testing"

	"golang.org/x/time/rate"

	"github.com/seed-39a139a1/insane/insane/host"
)

// of returns a connection of a user that has no place yet.
func of(uid uint32) *conn { return &conn{peer: host.Peer{UID: uid}} }

// A user that has all places loses them to others that come, the oldest first, until all
// have the same. Nobody loses one to a user who has as many.
func TestPoolShares(t *testing.T) {
	p := newPool(6, rate.Inf)
	var first []*conn
	for range 6 {
		c := of(1)
		first = append(first, c)
		if ok, evicted := p.enter(c); !ok || evicted != nil {
			t.Fatal("no place although there are free ones")
		}
	}
	if ok, _ := p.enter(of(1)); ok {
		t.Error("a seventh place of six")
	}
	for i, uid := range []uint32{2, 2, 2, 3, 3} {
		ok, evicted := p.enter(of(uid))
		if !ok || evicted == nil {
			t.Fatalf("user %d is kept out", uid)
		}
		if i < 3 && evicted != first[i] {
			t.Errorf("the place of another connection than the oldest was given to user %d", uid)
		}
	}
	for _, uid := range []uint32{1, 2, 3} {
		if n := len(p.users[uid]); n != 2 {
			t.Errorf("user %d has %d places, want 2", uid, n)
		}
		if ok, _ := p.enter(of(uid)); ok {
			t.Errorf("user %d gets more than the others", uid)
		}
	}
	if p.taken != 6 {
		t.Errorf("%d places are taken, want 6", p.taken)
	}
}

// A place is given back once.
func TestPoolLeave(t *testing.T) {
	p := newPool(1, rate.Inf)
	a, b := of(1), of(2)
	p.enter(a)
	p.leave(a)
	p.leave(a)
	if ok, _ := p.enter(b); !ok || p.taken != 1 || len(p.users) != 1 {
		t.Errorf("%d places taken by %d users", p.taken, len(p.users))
	}
}

// A user that comes and goes all the time is refused after a while; another one is not.
func TestPoolRate(t *testing.T) {
	p := newPool(64, 1)
	refused := false
	for range 2 * readerBurst {
		c := of(1)
		ok, _ := p.enter(c)
		refused = refused || !ok
		p.leave(c)
	}
	if !refused {
		t.Error("nothing bounds how often a user connects")
	}
	if ok, _ := p.enter(of(2)); !ok {
		t.Error("another user is refused as well")
	}
	for uid := range uint32(10 * maxUsers) {
		c := of(uid)
		p.enter(c)
		p.leave(c)
	}
	if len(p.rates) > maxUsers {
		t.Errorf("the rates of %d users are kept", len(p.rates))
	}
}
