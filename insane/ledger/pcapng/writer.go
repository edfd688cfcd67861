package pcapng

import (
	"bufio"
	"fmt"
	"io"
	"runtime"

	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/policy"
)

// programKey finds a program.
type programKey struct {
	direction policy.Direction
	id        uint32
}

// Programs are the programs of a recording. Several files of one recording share them.
type Programs map[programKey]*ledger.Program

// Add adds a program.
func (p Programs) Add(program *ledger.Program) {
	p[programKey{program.Direction, program.ID}] = program
}

// Writer writes one file. It is for one goroutine.
type Writer struct {
	to       *bufio.Writer
	block    block // scratch
	header   ledger.Header
	programs Programs
	told     map[programKey]bool // the programs whose comments are in the file
	gap      [2]uint64           // entries that are missing in front of the next one, by direction
	missed   uint64
	written  [interfaces]uint64
	last     policy.Time
}

// snapLength is that of the interfaces. It is the same for all files, as tcpdump wants.
const snapLength = ledger.MaxBytes

// NewWriter begins a file of a recording. programs has what Add has added so far, and later.
// The error is that of to.
func NewWriter(to io.Writer, h ledger.Header, programs Programs) (*Writer, error) {
	w := &Writer{to: bufio.NewWriter(to), header: h, programs: programs, told: make(map[programKey]bool), last: h.Began}
	b := &w.block
	b.begin(sectionBlock)
	b.uint32s(byteOrder)
	b.uint16s(version, 0)
	b.uint32s(1<<32-1, 1<<32-1) // the length of the section is not known
	b.text(optionComment, sectionComment(h))
	b.text(sectionHardware, runtime.GOARCH)
	b.text(sectionOS, runtime.GOOS)
	b.text(sectionApplication, "insanely record")
	if err := w.end(); err != nil {
		return nil, err
	}
	for i, name := range names {
		b.begin(interfaceBlock)
		b.uint16s(ethernet, 0)
		b.uint32s(snapLength)
		if i == before {
			b.text(optionComment, setupComment(h.Setup))
		}
		b.text(interfaceName, h.Device+name[0])
		b.text(interfaceText, name[1])
		b.text(interfaceResolution, string(rune(nanoseconds)))
		if err := w.end(); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// end ends the block and writes it.
func (w *Writer) end() error {
	_, err := w.to.Write(w.block.end())
	return err
}

// time returns a time of the ledger as one since 1970.
func (w *Writer) time(t policy.Time) uint64 { return uint64(int64(t) + w.header.Real) }

// Missed notes that entries are missing in front of the next one of a direction.
func (w *Writer) Missed(m ledger.Missed) {
	w.gap[m.Direction&1] += m.Entries
	w.missed += m.Entries
}

// Entry writes an entry. It reaches the file at the next Flush, at the latest.
func (w *Writer) Entry(e *ledger.Entry) error {
	comments := []string{packetComment(e)}
	if key := (programKey{e.Direction, e.Program}); e.Program != 0 && !w.told[key] {
		if p := w.programs[key]; p != nil {
			comments = append(comments, programComment(p))
			w.told[key] = true
		}
	}
	gap := w.gap[e.Direction&1]
	if gap > 0 {
		comments = append(comments, fmt.Sprintf("%d entries are missing in front of this one", gap))
		w.gap[e.Direction&1] = 0
	}
	flags := directionOutbound
	if e.Direction == policy.RX {
		flags = directionInbound
	}
	i := interfaceOf(e.Kind)
	w.written[i]++
	w.last = max(w.last, e.Time)
	b := &w.block
	b.begin(packetBlock)
	b.uint32s(uint32(i))
	b.time(w.time(e.Time))
	b.uint32s(uint32(len(e.Bytes)), e.Length)
	b.data(e.Bytes)
	for _, comment := range comments {
		b.text(optionComment, comment)
	}
	b.uint16s(packetFlags, 4)
	b.uint32s(flags)
	if gap > 0 {
		b.number(packetDropped, gap)
	}
	b.number(packetID, e.ID())
	return w.end()
}

// Flush writes what is not in the file yet.
func (w *Writer) Flush() error { return w.to.Flush() }

// Close writes the end of the file, and flushes. It does not close what NewWriter was given.
func (w *Writer) Close() error {
	b := &w.block
	for i, n := range w.written {
		b.begin(statisticsBlock)
		b.uint32s(uint32(i))
		b.time(w.time(w.last))
		b.moment(statisticsStart, w.time(w.header.Began))
		b.moment(statisticsEnd, w.time(w.last))
		b.number(statisticsReceived, n)
		if i == before {
			b.number(statisticsDropped, w.missed)
		}
		if err := w.end(); err != nil {
			return err
		}
	}
	return w.Flush()
}
