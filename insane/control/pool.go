package control

import (
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// A user that connects again and again gets no more than this many connections a second,
// beyond the first ones. Each costs some ten times as much as one that is refused.
const (
	readerRate  = 500 // a second
	readerBurst = 2 * maxReaders

	maxUsers = 256 // users with a rate that is kept
)

// pool is a number of places for connections, which all users share. While there are free
// places, everybody gets one. When there are none, a user gets a place of the user that has
// the most, if the first then has no more than the other. So no user can keep another one
// out. The lock of the limiter guards a pool.
type pool struct {
	most  int        // places
	rate  rate.Limit // connections of one user a second
	taken int
	users map[uint32][]*conn // connections by uid, the oldest first
	rates map[uint32]*rate.Limiter
}

func newPool(most int, limit rate.Limit) pool {
	return pool{most: most, rate: limit, users: make(map[uint32][]*conn), rates: make(map[uint32]*rate.Limiter)}
}

// enter gives a connection a place, for the user in c.peer. It returns false if there is
// none. If another connection has to give its place, enter returns that one, and the caller
// closes it.
func (p *pool) enter(c *conn) (ok bool, evicted *conn) {
	uid := c.peer.UID
	if p.taken >= p.most {
		greedy := p.greediest()
		if len(p.users[uid])+1 >= len(greedy) {
			return false, nil
		}
		evicted = greedy[0]
	}
	if !p.allow(uid) {
		return false, nil
	}
	if evicted != nil {
		p.leave(evicted)
	}
	p.users[uid] = append(p.users[uid], c)
	p.taken++
	return true, evicted
}

// leave undoes one enter. A second call does nothing.
func (p *pool) leave(c *conn) {
	uid := c.peer.UID
	list := p.users[uid]
	i := slices.Index(list, c)
	if i < 0 {
		return
	}
	p.taken--
	if p.users[uid] = slices.Delete(list, i, i+1); len(list) == 1 {
		delete(p.users, uid)
	}
}

// greediest returns the connections of the user that has the most.
func (p *pool) greediest() (most []*conn) {
	for _, list := range p.users {
		if len(list) > len(most) {
			most = list
		}
	}
	return most
}

// allow reports whether a user may have one more connection at this moment. A user may have
// ten thousands of user numbers (subuid(5)), so the rates are forgotten when they are many.
func (p *pool) allow(uid uint32) bool {
	if p.rate == rate.Inf {
		return true
	}
	limit, known := p.rates[uid]
	if !known {
		if len(p.rates) >= maxUsers {
			clear(p.rates)
		}
		limit = rate.NewLimiter(p.rate, readerBurst)
		p.rates[uid] = limit
	}
	return limit.AllowN(time.Now(), 1)
}
