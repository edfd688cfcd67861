package witness

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/perf"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/policy/match"
)

// programs are the two tcx programs of an interface, which report each frame.
type programs struct {
	reader  *perf.Reader
	links   []link.Link
	closers []interface{ Close() error }
	see     func(Sight)
	missed  atomic.Uint64
}

// The report of a frame: what the program knows of it, and then its bytes.
const (
	reportTime     = 0  // 8 bytes, of CLOCK_MONOTONIC
	reportPlace    = 8  // 4 bytes each
	reportLength   = 12 // of the frame
	reportCaptured = 16 // bytes that follow the report
	reportSegment  = 20
	reportPackets  = 24
	reportTag      = 28
	reportLen      = 32
)

// mostCaptured is the most bytes of a frame in a report. The record has room for 64 KiB with its
// own header.
const mostCaptured = 65_400

// Places of fields in struct __sk_buff.
const (
	skbLength   = 0
	skbProtocol = 16
	skbTagged   = 20
	skbTag      = 24
	skbPackets  = 164
	skbSegment  = 176
	reportStack = -reportLen
)

// Where the protocol behind an IP header is in a frame without tags, and on the stack.
const (
	protocolOfIPv4 = 23
	protocolOfIPv6 = 20
	protocolStack  = reportStack - 8
)

// currentCPU is BPF_F_CURRENT_CPU.
const currentCPU = 0xffffffff

// tcxNext lets the next program see the frame.
const tcxNext = -1

// report is the program that reports each frame of a place.
func report(events *ebpf.Map, place Place) asm.Instructions {
	field := func(from, to int16) asm.Instructions {
		return asm.Instructions{
			asm.LoadMem(asm.R1, asm.R6, from, asm.Word),
			asm.StoreMem(asm.RFP, reportStack+to, asm.R1, asm.Word),
		}
	}
	list := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.FnKtimeGetNs.Call(),
		asm.StoreMem(asm.RFP, reportStack+reportTime, asm.R0, asm.DWord),
		asm.StoreImm(asm.RFP, reportStack+reportPlace, int64(place), asm.Word),
	}
	list = append(list, field(skbLength, reportLength)...)
	list = append(list, field(skbSegment, reportSegment)...)
	list = append(list, field(skbPackets, reportPackets)...)
	list = append(list,
		// The identifier of a tag beside the bytes, and a bit that says that there is one.
		asm.LoadMem(asm.R1, asm.R6, skbTagged, asm.Word),
		asm.JEq.Imm(asm.R1, 0, "tagged"),
		asm.LoadMem(asm.R1, asm.R6, skbTag, asm.Word),
		asm.And.Imm(asm.R1, 0xfff),
		asm.Or.Imm(asm.R1, match.Tagged),
		asm.StoreMem(asm.RFP, reportStack+reportTag, asm.R1, asm.Word).WithSymbol("tagged"),
	)
	list = append(list, captured()...)
	return append(list,
		asm.LSh.Imm(asm.R3, 32),
		asm.LoadImm(asm.R1, currentCPU, asm.DWord),
		asm.Or.Reg(asm.R3, asm.R1),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.LoadMapPtr(asm.R2, events.FD()),
		asm.Mov.Reg(asm.R4, asm.RFP),
		asm.Add.Imm(asm.R4, reportStack),
		asm.Mov.Imm(asm.R5, reportLen),
		asm.FnPerfEventOutput.Call(),
		asm.Mov.Imm(asm.R0, tcxNext),
		asm.Return(),
	)
}

// captured is the part of the program that makes in R3, and in the report, the number of bytes that
// follow it: as many as fit, or the headers of a large frame of TCP.
func captured() asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R3, asm.R6, skbLength, asm.Word),
		asm.JLE.Imm(asm.R3, large, "fits"),
		asm.LoadMem(asm.R2, asm.R6, skbProtocol, asm.Word),
		asm.Mov.Imm(asm.R7, protocolOfIPv4),
		asm.JEq.Imm(asm.R2, int32(bigEndian(unix.ETH_P_IP)), "look"),
		asm.Mov.Imm(asm.R7, protocolOfIPv6),
		asm.JNE.Imm(asm.R2, int32(bigEndian(unix.ETH_P_IPV6)), "most"),
		asm.Mov.Reg(asm.R1, asm.R6).WithSymbol("look"),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Mov.Reg(asm.R3, asm.RFP),
		asm.Add.Imm(asm.R3, protocolStack),
		asm.Mov.Imm(asm.R4, 1),
		asm.FnSkbLoadBytes.Call(),
		asm.JNE.Imm(asm.R0, 0, "most"),
		asm.LoadMem(asm.R1, asm.RFP, protocolStack, asm.Byte),
		asm.Mov.Imm(asm.R3, short),
		asm.JEq.Imm(asm.R1, unix.IPPROTO_TCP, "fits"),
		asm.LoadMem(asm.R3, asm.R6, skbLength, asm.Word).WithSymbol("most"),
		asm.JLE.Imm(asm.R3, mostCaptured, "fits"),
		asm.Mov.Imm(asm.R3, mostCaptured),
		asm.StoreMem(asm.RFP, reportStack+reportCaptured, asm.R3, asm.Word).WithSymbol("fits"),
	}
}

// perCPU is the room for reports that wait, in bytes for each processor.
func perCPU() int { return max(4<<20, rings/runtime.NumCPU()) }

// rings is the room of all processors, which is always there.
const rings = 64 << 20

// openPrograms attaches the programs to the interface with an index. The error is
// ebpf.ErrNotSupported if the kernel has no tcx.
func openPrograms(index int, see func(Sight)) (_ *programs, err error) {
	p := &programs{see: see}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	events, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.PerfEventArray, Name: "witness"})
	if err != nil {
		return nil, lacking("CAP_BPF", "make map for the witness", err)
	}
	p.closers = append(p.closers, events)
	if p.reader, err = perf.NewReaderWithOptions(events, perCPU(), perf.ReaderOptions{Watermark: 256 << 10}); err != nil {
		return nil, lacking("CAP_PERFMON", "open perf events", unwrapPermission(err))
	}
	p.closers = append(p.closers, p.reader)
	for _, end := range []struct {
		place  Place
		at     ebpf.AttachType
		anchor link.Anchor
	}{
		{HostSends, ebpf.AttachTCXEgress, link.Head()},
		{HostHears, ebpf.AttachTCXIngress, link.Tail()},
	} {
		program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
			Type: ebpf.SchedCLS, Name: "witness", License: "GPL", Instructions: report(events, end.place),
		})
		if err != nil {
			return nil, lacking("CAP_BPF", "load program of the witness", err)
		}
		p.closers = append(p.closers, program)
		l, err := link.AttachTCX(link.TCXOptions{Program: program, Interface: index, Attach: end.at, Anchor: end.anchor})
		if err != nil {
			return nil, lacking("CAP_NET_ADMIN", "attach program of the witness", err)
		}
		p.links = append(p.links, l)
	}
	return p, nil
}

// unwrapPermission finds the refusal in an error of the library, which keeps only its text.
func unwrapPermission(err error) error {
	for _, text := range []string{"permission denied", "operation not permitted"} {
		if n := len(err.Error()) - len(text); n >= 0 && err.Error()[n:] == text {
			return os.ErrPermission
		}
	}
	return err
}

// read implements source.
func (p *programs) read(ended *atomic.Bool) {
	var record perf.Record
	for {
		last := ended.Load()
		p.reader.SetDeadline(time.Now().Add(tick))
		for {
			err := p.reader.ReadInto(&record)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				p.missed.Add(1)
				return
			}
			if p.missed.Add(record.LostSamples); len(record.RawSample) >= reportLen {
				p.seen(record.RawSample)
			}
		}
		if last {
			return
		}
	}
}

// seen passes a frame on.
func (p *programs) seen(b []byte) {
	word := func(at int) int { return int(binary.NativeEndian.Uint32(b[at:])) }
	captured := word(reportCaptured)
	if reportLen+captured > len(b) {
		p.missed.Add(1)
		return
	}
	s := Sight{Place: Place(word(reportPlace)), At: int64(binary.NativeEndian.Uint64(b[reportTime:]))}
	s.Bytes, s.Length = b[reportLen:][:captured], word(reportLength)
	s.Segment, s.Packets, s.Tag = word(reportSegment), word(reportPackets), uint16(word(reportTag))
	p.see(s)
}

// lost implements source.
func (p *programs) lost() uint64 { return p.missed.Load() }

// stop implements source.
func (p *programs) stop() {
	for _, l := range p.links {
		l.Close()
	}
	p.links = nil
}

func (p *programs) close() {
	p.stop()
	for _, c := range p.closers {
		c.Close()
	}
}
