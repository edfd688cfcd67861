package verify

import (
	"slices"
)

// Packet is a packet that went into the device, and what became of it.
type Packet struct {
	At      int64  // when the witness saw it go in, in ns of CLOCK_MONOTONIC
	Left    int64  // when it first came out
	Rank    uint32 // its place among all that came out, by that time
	Flow    uint32 // equal for packets of one flow
	Bytes   uint32
	Out     uint16 // how often it came out
	Damaged uint16 // how often with other bytes
	Capable bool   // ECN-capable, and without the mark CE
	Marked  bool   // came out with the mark CE
	Alike   bool   // another packet was the same in all bytes, or it came out too damaged to be known
}

// Seen is what a witness has seen of the packets of one rule in one direction.
type Seen struct {
	Trace   []Packet // in the order in which they went in
	Guessed uint64   // damaged packets whose originals could not be told for sure

	// Counts of the device itself, where nobody else can know.
	Queue  uint64 // packets lost because the queue of the link was full
	First  uint64 // packets judged by the policy before the trace
	Unsure uint64 // by how much these two may be off, because they were not read at one moment

	Late int64 // ns that a packet may leave later than it is due without being blamed
	Busy bool  // packets left so late that delays that are too long cannot be told from that
}

// The verdicts on a line.
const (
	OK      = "ok"
	Differs = "differs"
	Few     = "too few"
	Skipped = "not judged"
)

// Line is one thing that was asked for, beside what was seen of it.
type Line struct {
	Direction string `json:"direction"` // "tx" or "rx"
	Rule      string `json:"rule"`
	Stage     string `json:"stage"`    // as it was asked for
	Asked     string `json:"asked"`    // what of it was looked at
	Seen      string `json:"seen"`     // what the witness saw
	Interval  string `json:"interval"` // what could be asked for and look like that
	Verdict   string `json:"verdict"`  // one of the constants above
	Packets   uint64 `json:"packets"`  // packets, or events among them, that this was seen of
	Need      uint64 `json:"need"`     // how many it takes to find an error of 2 %
}

// few sets how many packets a line is about, and how many it needs. With too few, a line that
// would be good says nothing; one that differs differs.
func (l Line) few(n, need uint64) Line {
	l.Packets, l.Need = n, need
	if n < need && l.Verdict == OK {
		l.Verdict = Few
	}
	return l
}

// verdict returns the word for a test.
func verdict(ok bool) string {
	if ok {
		return OK
	}
	return Differs
}

// judge compares one policy with one trace.
type judge struct {
	asked
	seen  Seen
	trace []Packet
	alike uint64
	lines []Line
	notes []string
}

// Judge compares a policy, as canonical text, with what was seen of its packets. The notes are
// sentences about the lines.
func Judge(policy string, seen Seen) (lines []Line, notes []string, err error) {
	a, err := read(policy)
	if err != nil {
		return nil, nil, err
	}
	j := &judge{asked: a, seen: seen, trace: seen.Trace}
	for i := range j.trace {
		if j.trace[i].Alike {
			j.alike++
		}
	}
	if len(j.trace) == 0 {
		j.add(Line{Stage: a.text, Seen: "no packets", Verdict: Few, Need: 1})
		return j.lines, nil, nil
	}
	j.lossLines()
	j.changeLines()
	j.linkLines()
	j.delayLines()
	j.orderLines()
	for _, text := range a.unknown {
		j.skip(text, "")
	}
	slices.Sort(j.notes)
	return j.lines, slices.Compact(j.notes), nil
}

func (j *judge) add(l Line) { j.lines = append(j.lines, l) }

// skip adds a line for a stage that is not judged.
func (j *judge) skip(stage, why string) {
	j.add(Line{Stage: stage, Interval: why, Verdict: Skipped})
}

// whole returns the packets that came out and are known for sure.
func (j *judge) whole(with func(p *Packet)) {
	for i := range j.trace {
		if p := &j.trace[i]; p.Out > 0 && !p.Alike {
			with(p)
		}
	}
}
