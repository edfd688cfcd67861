package policy

import "github.com/seed-39a139a1/insane/policy/unit"

// The stage "exactly K of N" loses exactly K packets of each block of N packets. A
// permutation of the block, drawn anew for each block, says which: those that come to one
// of the first K places.
//
// A small block is shuffled as cards are (Fisher, Yates), one draw a card, and only as far as
// the one packet is concerned. For a larger one, the permutation is a Feistel network on a table
// of rows and columns. The table has at least N places, and less than one row more. What comes
// to a place behind N is permuted again, until it comes to one before: so all that comes to N
// places comes from N places. Each place behind N is passed at most once, which bounds the
// repetitions.

const (
	// maxBlock bounds the repetitions at a thousand.
	maxBlock = 1_000_000
	// maxRepeats is more than the places behind N, of each table that compile makes.
	maxRepeats = 1024
	// maxCards is the largest block that is shuffled card by card. The network mixes small
	// tables slowly.
	maxCards = 64
	// shuffleRounds make all pairs of places equally likely in a table for more than
	// maxCards, to 10⁻⁴ of their chance.
	shuffleRounds = 16
)

// exactly has the stage's settings. of is 0 if the stage is absent.
type exactly struct{ lost, of unit.Number }

func (s *exactly) given() bool { return s.of != 0 }

func (s *exactly) parse(c *cursor) {
	s.lost = take(c, "K", unit.ParseNumber)
	if !c.named("of") {
		c.incomplete = true
		return
	}
	s.of = take(c, "N", parseUpTo(maxBlock))
	if s.lost > s.of {
		c.refuse("of a block of " + s.of.String() + " packets not more than " + s.of.String() + " can be lost")
	}
}

func (s *exactly) words() string { return s.lost.String() + " of " + s.of.String() }

func (s *exactly) compile(prog *Program, _ Time, key uint64) {
	prog.ExactlyLost, prog.ExactlyOf, prog.ExactlyKey = uint64(s.lost), uint64(s.of), key
	prog.ExactlyRows, prog.ExactlyColumns = tableFor(uint64(s.of))
}

// tableFor returns the rows and columns of a table with at least n places. Of tables that
// are about square it chooses one with few places behind n.
func tableFor(n uint64) (rows, columns uint64) {
	root := uint64(1)
	for root*root < n {
		root++
	}
	least := n
	for r := root; r <= root+root/4; r++ {
		c := (n + r - 1) / r
		if behind := r*c - n; behind < least || rows == 0 {
			rows, columns, least = r, c, behind
		}
	}
	return rows, columns
}

// exactlyDrops reports whether the stage drops packet seq.
func (p *Program) exactlyDrops(seq uint64) bool {
	if p.Stages&(1<<ByExactly) == 0 || p.ExactlyOf == 0 {
		return false
	}
	key := hash(p.ExactlyKey, seq/p.ExactlyOf)
	at := seq % p.ExactlyOf
	if p.ExactlyOf <= maxCards {
		return p.shuffle(key, at) < p.ExactlyLost
	}
	if p.ExactlyColumns == 0 {
		return false
	}
	for range maxRepeats {
		if at = p.permute(key, at); at < p.ExactlyOf {
			break
		}
	}
	return at < p.ExactlyLost
}

// shuffle returns to which place of the block the card at a place comes, or one that is as
// well below ExactlyLost. From the last place on, each gets one of the cards that are left.
func (p *Program) shuffle(key, at uint64) uint64 {
	for place := p.ExactlyOf - 1; place >= max(1, p.ExactlyLost) && at <= place; place-- {
		switch from := uint64(draw(key, place)) * (place + 1) >> 32; at {
		case place:
			at = from
			if from == place {
				return place
			}
		case from:
			return place
		}
	}
	return at
}

// permute returns to which place of the table the one at a place comes, by one pass through
// the network.
func (p *Program) permute(key, at uint64) uint64 {
	row, column := at/p.ExactlyColumns, at%p.ExactlyColumns
	for round := uint64(0); round < shuffleRounds; round += 2 {
		row = turn(row, draw(key, round<<32+column), p.ExactlyRows)
		column = turn(column, draw(key, (round+1)<<32+row), p.ExactlyColumns)
	}
	return row*p.ExactlyColumns + column
}

// turn adds a draw from 0 to n−1 to x, modulo n.
func turn(x uint64, draw uint32, n uint64) uint64 {
	x += uint64(draw)*n>>32 - n
	return x + n&uint64(int64(x)>>63) // n again if that is below zero
}

func (s *exactly) usage() string { return "exactly K of N" }

func (s *exactly) summary() string {
	return "drop exactly K packets of each N in a row, at places drawn anew each time; N is up to " +
		unit.Number(maxBlock).String()
}

func (s *exactly) meaning() meaning {
	of := s.lost.String() + " of each " + s.of.String()
	return meaning{alone: "exactly " + of + " packets dropped", except: "but " + of}
}

func (s *exactly) share() (Share, bool) {
	return Share{Part: uint64(s.lost), Of: uint64(s.of)}, true
}
