package pcapng

import (
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

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
	to       *pcapgo.NgWriter
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
	w := &Writer{header: h, programs: programs, told: make(map[programKey]bool), last: h.Began}
	options := pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{
		Hardware: runtime.GOARCH, OS: runtime.GOOS, Application: "insanely record", Comment: sectionComment(h),
	}}
	for i, name := range names {
		intf := pcapgo.NgInterface{
			Name: h.Device + name[0], Description: name[1], OS: runtime.GOOS, LinkType: layers.LinkTypeEthernet, SnapLength: snapLength,
		}
		var err error
		if i == before {
			intf.Comment = setupComment(h.Setup)
			w.to, err = pcapgo.NewNgWriterInterface(to, intf, options)
		} else {
			_, err = w.to.AddInterface(intf)
		}
		if err != nil {
			return nil, err
		}
	}
	return w, nil
}

// time returns a time of the ledger as one since 1970.
func (w *Writer) time(t policy.Time) time.Time { return time.Unix(0, int64(t)+w.header.Real) }

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
	id, flags := e.ID(), &pcapgo.NgEpbFlags{Direction: pcapgo.NgEpbFlagDirectionOutbound}
	if e.Direction == policy.RX {
		flags.Direction = pcapgo.NgEpbFlagDirectionInbound
	}
	options := pcapgo.NgPacketOptions{Flags: flags, PacketID: &id}
	if gap := w.gap[e.Direction&1]; gap > 0 {
		options.DropCount = &gap
		comments = append(comments, fmt.Sprintf("%d entries are missing in front of this one", gap))
		w.gap[e.Direction&1] = 0
	}
	options.Comments = comments
	i := interfaceOf(e.Kind)
	w.written[i]++
	w.last = max(w.last, e.Time)
	return w.to.WritePacketWithOptions(gopacket.CaptureInfo{
		Timestamp: w.time(e.Time), CaptureLength: len(e.Bytes), Length: int(e.Length), InterfaceIndex: i,
	}, e.Bytes, options)
}

// Flush writes what is not in the file yet.
func (w *Writer) Flush() error { return w.to.Flush() }

// Close writes the end of the file, and flushes. It does not close what NewWriter was given.
func (w *Writer) Close() error {
	for i, n := range w.written {
		stats := pcapgo.NgInterfaceStatistics{
			LastUpdate: w.time(w.last), StartTime: w.time(w.header.Began), EndTime: w.time(w.last), PacketsReceived: n,
			PacketsDropped: pcapgo.NgNoValue64,
		}
		if i == before {
			stats.PacketsDropped = w.missed
		}
		if err := w.to.WriteInterfaceStats(i, stats); err != nil {
			return err
		}
	}
	return w.Flush()
}
