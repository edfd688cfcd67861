package policy

import (
	"strings"

	"github.com/seed-39a139a1/insane/policy/unit"
)

// Time is a moment in nanoseconds of CLOCK_MONOTONIC, which is also what
// bpf_ktime_get_ns reads (kernel/bpf/helpers.c), or a difference of two moments.
type Time uint64

// Verdict is the decision about one packet, or about one copy of it. The zero Verdict
// relays the packet at once and unchanged. It is made of parts, because the compiler keeps
// a structure of many fields in memory and not in registers.
type Verdict struct {
	Loss
	Change
	Delay Time // how long the packet waits behind the link
}

// Loss says whether a packet is lost.
type Loss struct {
	By   Stage // the stage that loses the packet; Relay: none does
	Mark bool  // an ECN-capable packet is relayed with the mark CE, and not lost by By
}

// Change says how a packet that is not lost comes out.
type Change struct {
	Copies uint32 // copies beside the packet itself, each with a verdict of [Program.Copy]
	Flips  uint32 // bits to flip, at the places of [Program.Flip]; more than the packet has: all
	Behind uint32 // later packets that leave before it
}

// Lost reports whether the packet is lost, whatever it is. A verdict with Mark depends on
// the packet: see [Verdict.Settle].
func (l Loss) Lost() bool { return l.By != Relay && !l.Mark }

// Settle returns the verdict for a packet of which it is known whether it is ECN-capable.
// If v has a Mark and the packet is not capable, the result is Lost.
func (v Verdict) Settle(capable bool) Verdict {
	if v.Mark && !capable {
		return Verdict{Loss: Loss{By: v.By}}
	}
	return v
}

// String describes the verdict: "relay", "drop by percent", "mark by percent, 1 copy" or
// "2 flips, 3 behind, 20ms".
func (v Verdict) String() string {
	if v.Lost() {
		return "drop by " + v.By.String()
	}
	var parts []string
	if v.Mark {
		parts = append(parts, "mark by "+v.By.String())
	}
	for _, n := range []struct {
		n         uint32
		one, many string
	}{{v.Copies, "copy", "copies"}, {v.Flips, "flip", "flips"}, {v.Behind, "behind", "behind"}} {
		if n.n != 0 {
			parts = append(parts, counted(uint64(n.n), n.one, n.many))
		}
	}
	if v.Delay != 0 {
		parts = append(parts, unit.Span(v.Delay).String())
	}
	if len(parts) == 0 {
		return "relay"
	}
	return strings.Join(parts, ", ")
}
