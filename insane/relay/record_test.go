package relay

import (
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insane/port/porttest"
	"github.com/seed-39a139a1/insane/policy"
)

// recordedRelay is a relay with a policy that writes to a port.
func recordedRelay(tb testing.TB, text string, to port.Port) *Relay {
	tb.Helper()
	r := New(Options{Clock: func() policy.Time { return 5 }, Log: slog.New(slog.DiscardHandler)})
	p, err := policy.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	r.SetPolicy(p, 0, 1)
	r.SetEnd(&End{Port: to, MTU: 1500})
	return r
}

// entriesOf returns what a recorder has, without bytes.
func entriesOf(tb testing.TB, from *ledger.Recorder) (list []ledger.Entry) {
	tb.Helper()
	b := ledger.AppendHeader(nil, ledger.Header{})
	first, second := from.Pull()
	b = append(append(b, first...), second...)
	from.Done(len(first) + len(second))
	s, err := ledger.NewStream(&reader{b})
	if err != nil {
		tb.Fatal(err)
	}
	for {
		next, err := s.Next()
		if err != nil {
			return list
		}
		if e, ok := next.(*ledger.Entry); ok {
			kept := *e
			kept.Bytes = nil
			list = append(list, kept)
		}
	}
}

type reader struct{ b []byte }

func (r *reader) Read(b []byte) (int, error) {
	n := copy(b, r.b)
	r.b = r.b[n:]
	if n == 0 {
		return 0, errEnd
	}
	return n, nil
}

var errEnd = port.ErrGone

// refusing is a port that refuses each frame.
type refusing struct{ sink }

func (refusing) Write([]frame.Frame) (int, error) { return 0, port.ErrBusy }

// A packet that the far side refuses, or that is too big, malformed or without a slave, is recorded with its
// reason.
func TestRecordReasons(t *testing.T) {
	packet := porttest.SuperFrame(0, 2, 64)
	l, err := frame.Inspect(packet)
	if err != nil {
		t.Fatal(err)
	}
	length := uint32(l.Bytes(0, 1))
	arrived := ledger.Entry{Kind: ledger.Arrived, Series: 1, Time: 5, Judged: 5, Program: 1, Length: length}
	of := func(e ledger.Entry, number uint64, change func(e *ledger.Entry)) ledger.Entry {
		e.Number = number
		change(&e)
		return e
	}
	refused := ledger.Entry{Kind: ledger.Refused, Series: 1, Time: 5, Length: length}
	for name, c := range map[string]struct {
		end  *End
		in   frame.Frame
		want []ledger.Entry
	}{
		"busy": {&End{Port: refusing{}}, packet, []ledger.Entry{
			of(arrived, 0, func(*ledger.Entry) {}), of(arrived, 1, func(*ledger.Entry) {}),
			of(refused, 0, func(e *ledger.Entry) { e.Why = "slave-busy" }), of(refused, 1, func(e *ledger.Entry) { e.Why = "slave-busy" }),
		}},
		"no slave": {&End{Why: DropNoSlave}, packet, []ledger.Entry{
			of(arrived, 0, func(e *ledger.Entry) { e.Why = "no-slave" }), of(arrived, 1, func(e *ledger.Entry) { e.Why = "no-slave" }),
		}},
		"too big": {&End{Port: sink{}, MTU: 60}, packet, []ledger.Entry{
			of(arrived, 0, func(e *ledger.Entry) { e.Why = "too-big" }), of(arrived, 1, func(e *ledger.Entry) { e.Why = "too-big" }),
		}},
		"malformed": {&End{Port: sink{}}, make(frame.Frame, frame.HeaderLen+3), []ledger.Entry{
			of(arrived, 0, func(e *ledger.Entry) { e.Why, e.Length = "malformed", 3 }),
		}},
		"unreadable": {&End{Port: sink{}}, nil, []ledger.Entry{
			of(arrived, 0, func(e *ledger.Entry) { e.Why, e.Length = "unreadable", 0 }),
		}},
	} {
		r := recordedRelay(t, "pass", sink{})
		r.SetEnd(c.end)
		to := ledger.NewRecorder(policy.TX, ledger.Filter{}, 1<<16)
		r.Record(to)
		r.batch([]frame.Frame{c.in.Clone()})
		if diff := cmp.Diff(c.want, entriesOf(t, to)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		r.StopRecord(to)
		r.batch([]frame.Frame{c.in.Clone()})
		if more := entriesOf(t, to); len(more) > 0 {
			t.Errorf("%s: %d entries behind the end", name, len(more))
		}
	}
}

// A recording allocates nothing for a packet.
func TestRecordDoesNotAllocate(t *testing.T) {
	r := recordedRelay(t, "percent 90", sink{})
	to := ledger.NewRecorder(policy.TX, ledger.Filter{}, 1<<22)
	r.Record(to)
	batch := []frame.Frame{porttest.SuperFrame(0, 45, 1400), porttest.SuperFrame(0, 1, 64)}
	fresh := make([]frame.Frame, len(batch))
	if n := testing.AllocsPerRun(200, func() {
		for i := range batch {
			fresh[i] = append(fresh[i][:0], batch[i]...)
		}
		r.batch(fresh)
		first, second := to.Pull()
		to.Done(len(first) + len(second))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if all, _ := to.Missed(); all != 0 {
		t.Errorf("%d entries missed", all)
	}
}

// BenchmarkRecord is what a packet costs in the relay, without the system calls around it: while
// nobody records, with a recording, and with one of what is lost only.
func BenchmarkRecord(b *testing.B) {
	for _, size := range []int{64, 1400} {
		for _, c := range []struct {
			name   string
			filter *ledger.Filter
		}{{"nobody", nil}, {"all", &ledger.Filter{}}, {"snaplen=96", &ledger.Filter{Snaplen: 96}}, {"lost", &ledger.Filter{Lost: true}}} {
			b.Run(map[int]string{64: "bytes=64", 1400: "bytes=1400"}[size]+"/record="+c.name, func(b *testing.B) {
				r := recordedRelay(b, "percent 95", sink{})
				to := ledger.NewRecorder(policy.TX, ledger.Filter{}, 1<<20)
				if c.filter != nil {
					to = ledger.NewRecorder(policy.TX, *c.filter, 1<<20)
					r.Record(to)
				}
				frames := make([]frame.Frame, 32)
				for i := range frames {
					frames[i] = porttest.SuperFrame(0, 1, size)
				}
				b.ResetTimer()
				for range b.N/len(frames) + 1 {
					r.batch(frames)
					first, second := to.Pull()
					to.Done(len(first) + len(second))
				}
				if all, _ := to.Missed(); all != 0 {
					b.Errorf("%d entries missed", all)
				}
			})
		}
	}
}
