package policy

// Time is a moment in nanoseconds of CLOCK_MONOTONIC, which is also what
// bpf_ktime_get_ns reads (kernel/bpf/helpers.c).
type Time uint64

// Verdict is what a policy says of one packet.
type Verdict uint8

// The verdicts. The zero value is the harmless one.
const (
	Relay Verdict = iota
	Drop
)

func (v Verdict) String() string {
	switch v {
	case Relay:
		return "relay"
	case Drop:
		return "drop"
	default:
		return "invalid"
	}
}

// Program is a compiled policy. It has the same bytes in Go and in a BPF map:
// 64-bit integers in host order without padding. Each field belongs to the
// stage it is named after, and zero fields are an absent stage, so the zero
// Program relays everything. [Policy.Compile] makes programs; Decide and Whole
// are defined for any other values too.
//
// A program is never changed, only replaced. Any number of goroutines may use it.
type Program struct {
	// Stages is the set of the stages that the program has. A data plane that
	// does not know one of them must not carry the program out. Decide does not
	// read it.
	Stages Stages

	// PercentDrop is the [Chance] that a packet is dropped: 0 is never,
	// 1<<32 (or more) is always.
	PercentDrop uint64
	// PercentKey is the key of the stage's draws.
	PercentKey uint64

	// TimeEpoch is when the first relaying phase begins, a [Time].
	TimeEpoch uint64
	// TimeOn is how long each relaying phase lasts, in nanoseconds.
	TimeOn uint64
	// TimeCycle is ON + OFF, in nanoseconds; 0 means that there is no such stage.
	TimeCycle uint64
}

// Decide is the verdict on packet number seq passing at now. It depends on
// nothing but the program and these two. Numbers are the caller's: one for
// each packet of a direction, in any order and from any goroutine.
func (p *Program) Decide(now Time, seq uint64) Verdict {
	if p.percentDrops(seq) {
		return Drop
	}
	if p.timeDrops(now) {
		return Drop
	}
	return Relay
}

// Whole says whether one verdict may serve a frame of that many segments: if
// it is true, Decide gives all of them the same verdict at any one time,
// whatever their numbers. If it is false, they may still happen to agree.
// What passes at one time is in one phase, so only draws can tell segments
// apart, and only if they are neither never nor always below the chance.
func (p *Program) Whole(segments uint32) bool {
	return segments <= 1 || p.PercentDrop == 0 || Chance(p.PercentDrop) >= Always
}
