// Package ledger has the record of single packets: what came, the verdict on it, and what
// became of it. It is pure: no clock, no I/O but what a caller gives it.
//
// A packet has an [Entry] when it arrives, with its verdict and its bytes as they came, and
// another one when it leaves, with its bytes as they left, or when something behind the verdict
// refuses it. They are not one entry, because a packet may wait for seconds in between, and a
// relay that had to keep what it has said of it would need memory for each. What identifies a
// packet is in all its entries: see [Entry.ID]. A copy has no entry of its own when it is made,
// since nothing arrived; its parent's verdict says how many there are.
//
// A verdict depends on the program that judged, which depends on policy, seed, epoch and first
// number. They are a [Program], which an entry names by its number; it comes in front of the
// first entry that names it. So who reads a ledger can compute each draw again.
//
//	ledger.go   Header, Program, Entry
//	setup.go    what was asked of the device when the recording began
//	peer.go     the other host of a packet
//	block.go    the binary form, as the daemon sends it
//	stream.go   reads that form
//	ring.go     bytes between a relay, which never waits, and who sends them
//	recorder.go what a relay writes to
//
// Package pcapng, below, writes and reads ledgers as files for Wireshark.
package ledger

import "github.com/seed-39a139a1/insane/policy"

// Header is what a recording begins with. It is JSON in the stream.
type Header struct {
	Device string `json:"device"` // its name
	// Real is what to add to a time of the ledger, in nanoseconds of CLOCK_MONOTONIC, for
	// nanoseconds since 1970. It is that of the moment when the recording began.
	Real int64 `json:"real"`
	// Began is when the recording began. A packet that arrived earlier may leave later.
	Began policy.Time `json:"began"`
	Setup Setup       `json:"setup"`
	Filter
}

// Filter says what a recording has. The zero Filter is for all packets and all their bytes.
type Filter struct {
	Lost    bool   `json:"lost,omitempty"`    // only what is lost
	Rule    string `json:"rule,omitempty"`    // only packets of this rule; "": of all
	Snaplen uint32 `json:"snaplen,omitempty"` // bytes of each packet at most; 0: all
}

// Program is a policy in force. The fields are those of package policy's Start, and what
// ParseRule and Parse read.
type Program struct {
	ID        uint32           `json:"id"` // unique in its direction of a recording, from 1 on
	Direction policy.Direction `json:"direction"`
	Rule      string           `json:"rule,omitempty"` // "": the policy of the direction itself
	Policy    string           `json:"policy"`         // canonical text
	Epoch     policy.Time      `json:"epoch"`
	Seed      uint64           `json:"seed,string"` // of the rule, as CompileAt takes it
	First     uint64           `json:"first"`       // number of the first packet
}

// Compile makes the program that judged. The error is that of policy.Parse.
func (p *Program) Compile() (policy.Program, error) {
	parsed, err := policy.Parse(p.Policy)
	if err != nil {
		return policy.Program{}, err
	}
	return parsed.CompileAt(policy.Start{Epoch: p.Epoch, Seed: p.Seed, First: p.First}), nil
}

// Kind says at which moment of a packet an entry was made.
type Kind uint8

// The kinds. Each packet has one Arrived entry, unless it is a copy, or was held when the
// recording began. If it is not lost by that entry, it has one Left or Refused entry as well,
// unless it is still held when the recording ends.
const (
	Arrived Kind = iota + 1 // the verdict; a loss, or a Why, is its end
	Left                    // the packet was relayed
	Refused                 // the packet was lost behind its verdict, for the reason Why
)

// Reasons in Why beside those of api.DropReasons.
const (
	WhyQueue  = "queue"  // the queue of the link was full: a loss that the policy asks for
	WhyMemory = "memory" // there was no memory in which to wait
)

// Entry is one moment of one packet.
type Entry struct {
	Kind      Kind
	Direction policy.Direction
	Rule      string // that judges the packet; "": the policy of the direction itself
	Neighbour bool   // of a neighbour, without number and verdict; Number counts these
	Series    uint32 // which numbering Number is of: another one after a change of the seed
	Number    uint64
	Ordinal   uint32 // 0: the packet itself; else which copy

	Time   policy.Time // when the packet arrived, left or was refused
	Length uint32      // bytes of the packet on the wire, from its Ethernet header on
	Bytes  []byte      // the first of them, as they came (Arrived) or left; checksums are finished in a whole packet

	// Of Arrived alone.
	Program uint32         // which one judged; 0: none
	Judged  policy.Time    // the time for which the program was asked
	Verdict policy.Verdict // settled: a Mark is one that was set

	Why    string // why the packet is lost, if not by its verdict
	Marked bool   // Left: it has waited so long in the queue that it was marked there
}

// Lost reports whether the entry is the end of a packet that is lost.
func (e *Entry) Lost() bool { return e.Why != "" || e.Kind == Arrived && e.Verdict.Lost() }

// Ends reports whether nothing more comes of the packet itself.
func (e *Entry) Ends() bool { return e.Kind != Arrived || e.Lost() }

// The bits of an ID, from the highest on: neighbour, direction, series, ordinal, number.
const (
	idNumberBits  = 40
	idOrdinalBits = 7
	idSeriesBits  = 15
)

// ID identifies the packet, or the copy, in all its entries. It repeats after 2⁴⁰ packets or
// 2¹⁵ changes of the seed.
func (e *Entry) ID() uint64 {
	id := uint64(e.Series) & (1<<idSeriesBits - 1)
	if e.Direction == policy.RX {
		id |= 1 << idSeriesBits
	}
	if e.Neighbour {
		id |= 1 << (idSeriesBits + 1)
	}
	id = id<<idOrdinalBits | uint64(e.Ordinal)&(1<<idOrdinalBits-1)
	return id<<idNumberBits | e.Number&(1<<idNumberBits-1)
}
