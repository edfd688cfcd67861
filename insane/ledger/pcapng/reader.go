package pcapng

import (
	"errors"
	"io"

	"github.com/gopacket/gopacket/pcapgo"

	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/policy"
)

// Reader reads one file. It is for one goroutine.
type Reader struct {
	from     *pcapgo.NgReader
	header   ledger.Header
	programs Programs
	entry    ledger.Entry
	begun    bool // the header has its Setup
	ended    bool
	missed   uint64
}

// ErrFormat is the error of a file that insanely record has not written.
var ErrFormat = errors.New("not a recording of insanely record")

// NewReader reads the beginning of a file. The error is ErrFormat, io.ErrUnexpectedEOF if the
// file ends before, or that of from.
func NewReader(from io.Reader) (*Reader, error) {
	r := &Reader{programs: make(Programs)}
	kept := &keptError{from: from}
	options := pcapgo.NgReaderOptions{
		WantMixedLinkType:  true,
		StatisticsCallback: func(i int, s pcapgo.NgInterfaceStatistics) { r.statistics(i, s) },
	}
	var err error
	if r.from, err = pcapgo.NewNgReader(kept, options); err != nil {
		switch {
		case kept.err != nil && kept.err != io.EOF:
			return nil, kept.err
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, io.ErrUnexpectedEOF
		}
		return nil, ErrFormat
	}
	header, ok := parseSection(r.from.SectionInfo().Comment)
	if !ok {
		return nil, ErrFormat
	}
	r.header = header
	return r, nil
}

// keptError keeps the error of a reader, which pcapgo does not always return.
type keptError struct {
	from io.Reader
	err  error
}

// Read implements io.Reader.
func (k *keptError) Read(b []byte) (int, error) {
	n, err := k.from.Read(b)
	if err != nil {
		k.err = err
	}
	return n, err
}

// statistics takes down the end of a file.
func (r *Reader) statistics(i int, s pcapgo.NgInterfaceStatistics) {
	r.ended = r.ended || i == interfaces-1 && !s.EndTime.IsZero()
	if i == before && s.PacketsDropped != pcapgo.NgNoValue64 {
		r.missed = max(r.missed, s.PacketsDropped)
	}
}

// Header returns what the recording began with. Its Setup is there when Next has returned.
func (r *Reader) Header() ledger.Header { return r.header }

// Program returns the program of an entry that Next has returned; nil if the file does not
// have it.
func (r *Reader) Program(e *ledger.Entry) *ledger.Program {
	return r.programs[programKey{e.Direction, e.Program}]
}

// Missed is how many entries are missing in what was read so far.
func (r *Reader) Missed() uint64 { return r.missed }

// Ended reports whether Next has met the end that a Writer writes. If not, and Next has
// returned io.EOF, the file was cut off between two packets.
func (r *Reader) Ended() bool { return r.ended }

// readSetup takes down what the first interface tells.
func (r *Reader) readSetup() {
	r.begun = true
	if first, err := r.from.Interface(before); err == nil {
		r.header.Setup, _ = parseSetup(first.Comment)
	}
}

// Next returns the next entry, which is valid until the next call. The error is io.EOF at the
// end, io.ErrUnexpectedEOF if the file is cut off, and another one that says what makes no
// sense; then nothing more can be read.
func (r *Reader) Next() (*ledger.Entry, error) {
	data, info, options, err := r.from.ZeroCopyReadPacketDataWithOptions()
	if !r.begun {
		r.readSetup()
	}
	if err != nil {
		return nil, err
	}
	e, err := &r.entry, errComment
	for _, comment := range options.Comments {
		if p, ok := parseProgram(comment); ok {
			r.programs.Add(&p)
		} else if err != nil {
			err = parsePacket(comment, e)
		}
	}
	if err != nil {
		return nil, err
	}
	if options.DropCount != nil {
		r.missed += *options.DropCount
	}
	e.Time = policy.Time(info.Timestamp.UnixNano() - r.header.Real)
	e.Length, e.Bytes = uint32(info.Length), data
	return e, nil
}
