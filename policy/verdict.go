package policy

// Time is a moment in nanoseconds of CLOCK_MONOTONIC, which is also what
// bpf_ktime_get_ns reads (kernel/bpf/helpers.c).
type Time uint64

// Verdict is the decision about one packet: Relay, or the number of the stage that drops
// it, from 1 to StageNumbers-1.
type Verdict uint8

// Relay is the zero verdict, so that an unset verdict loses no packet.
const Relay Verdict = 0

// Drops reports whether the packet must be dropped.
func (v Verdict) Drops() bool { return v != Relay }

// String returns "relay", or the stage that drops the packet: "drop by percent".
func (v Verdict) String() string {
	if v == Relay {
		return "relay"
	}
	return "drop by " + stageName(uint64(v))
}
