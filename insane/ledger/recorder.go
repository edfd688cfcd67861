package ledger

import (
	"sync/atomic"

	"github.com/seed-39a139a1/insane/policy"
)

// Recorder takes the entries of one direction of a recording. One goroutine, that of the
// relay, calls Wants, Knows, Program and Entry; none of them waits. Another one calls Pull,
// Done and Missed. What is not pulled in time is counted as missed.
type Recorder struct {
	filter    Filter
	direction policy.Direction
	ring      *Ring
	block     []byte         // scratch
	programs  map[any]uint32 // the numbers of those that are told, by a key of the relay
	last      any            // of the last entry
	lastID    uint32         //
	gap       uint64         // entries that lack behind the last one that was taken
	missed    atomic.Uint64  // all together, and of these
	told      atomic.Uint64  // those of which the stream says so
}

// NewRecorder makes a recorder with room for so many bytes.
func NewRecorder(d policy.Direction, f Filter, bytes int) *Recorder {
	if f.Snaplen == 0 || f.Snaplen > MaxBytes {
		f.Snaplen = MaxBytes
	}
	return &Recorder{filter: f, direction: d, ring: NewRing(bytes), programs: make(map[any]uint32)}
}

// Wants reports whether entries belong into the recording: those of a rule, which are the end
// of a lost packet, or are not.
func (r *Recorder) Wants(rule string, lost bool) bool {
	return (lost || !r.filter.Lost) && (r.filter.Rule == "" || r.filter.Rule == rule || r.filter.Rule == policy.DefaultRule && rule == "")
}

// Direction is that of the entries.
func (r *Recorder) Direction() policy.Direction { return r.direction }

// Snaplen is how many bytes of a packet an entry has at most.
func (r *Recorder) Snaplen() int { return int(r.filter.Snaplen) }

// Program returns the number of the program that a key stands for. For a new key it asks make
// for the program, and tells it. It returns 0 if there is no room: then the next entry has none
// either, which counts it.
func (r *Recorder) Program(key any, make func() Program) uint32 {
	if r.last == key {
		return r.lastID
	}
	id, there := r.programs[key]
	if !there {
		p := make()
		p.ID, p.Direction = uint32(len(r.programs)+1), r.direction
		r.block = AppendProgram(r.block[:0], p)
		if !r.push() {
			return 0
		}
		id = p.ID
		r.programs[key] = id
	}
	r.last, r.lastID = key, id
	return id
}

// Entry takes an entry. Its direction is that of the recorder.
func (r *Recorder) Entry(e *Entry) {
	e.Direction = r.direction
	r.block = AppendEntry(r.block[:0], e)
	if e.Kind == Arrived && e.Program == 0 && !e.Neighbour || !r.push() {
		r.gap++
		r.missed.Add(1)
	}
}

// push puts the block into the ring, behind a word about those that lack in front of it.
func (r *Recorder) push() bool {
	if r.gap > 0 {
		var b [lengthLen + 1 + missedLen]byte
		if !r.ring.Push(AppendMissed(b[:0], Missed{Direction: r.direction, Entries: r.gap})) {
			return false
		}
		r.told.Add(r.gap)
		r.gap = 0
	}
	return r.ring.Push(r.block)
}

// Pull returns blocks that Next of a Stream reads, in two parts; nothing, if there are none.
// Both are valid until Done.
func (r *Recorder) Pull() (first, second []byte) { return r.ring.Pull() }

// Done gives back so many bytes that Pull has returned.
func (r *Recorder) Done(n int) { r.ring.Done(n) }

// Missed is how many entries lack, and how many of these the stream has not told of.
func (r *Recorder) Missed() (all, untold uint64) {
	told := r.told.Load()
	all = r.missed.Load()
	return all, all - told
}
