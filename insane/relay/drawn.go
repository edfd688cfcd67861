package relay

import (
	"math"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// drawn sums the delays of verdicts. It tells what a policy has drawn, and not how long the
// packets have waited: they also wait for the link, for each other and for the processor.
type drawn struct{ packets, sum, squares float64 }

// note adds a delay that was drawn for packets.
func (d *drawn) note(delay policy.Time, packets uint64) {
	n, t := float64(packets), float64(delay)
	d.packets += n
	d.sum += n * t
	d.squares += n * t * t
}

func (d *drawn) add(o drawn) {
	d.packets += o.packets
	d.sum += o.sum
	d.squares += o.squares
}

// read returns mean and standard deviation in nanoseconds.
func (d *drawn) read() (delays api.Delays) {
	if d.packets == 0 {
		return delays
	}
	mean := d.sum / d.packets
	return api.Delays{
		Packets: uint64(d.packets), Mean: uint64(math.Round(mean)),
		Spread: uint64(math.Round(math.Sqrt(max(0, d.squares/d.packets-mean*mean)))),
	}
}

// speedometer tells how many bits were relayed in the last whole second.
type speedometer struct {
	second       policy.Time // the present one
	bytes, whole uint64      // of the present second and of the one before
}

const second policy.Time = 1e9

// add counts bytes at a time.
func (s *speedometer) add(now policy.Time, bytes uint64) {
	s.turn(now / second)
	s.bytes += bytes
}

// turn begins a second.
func (s *speedometer) turn(to policy.Time) {
	if to <= s.second {
		return
	}
	s.whole = 0
	if to == s.second+1 {
		s.whole = s.bytes
	}
	s.second, s.bytes = to, 0
}

// read returns the bits of the last whole second.
func (s *speedometer) read(now policy.Time) uint64 {
	s.turn(now / second)
	return 8 * s.whole
}
