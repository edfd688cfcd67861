package ledger_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/policy"
)

var (
	header  = ledger.Header{Device: "insane", Real: -5, Began: 77, Filter: ledger.Filter{Rule: "api", Snaplen: 96}}
	program = ledger.Program{ID: 1, Direction: policy.RX, Rule: "api", Policy: "percent 95", Epoch: 3, Seed: 1<<64 - 1, First: 12}
	arrived = ledger.Entry{
		Kind: ledger.Arrived, Direction: policy.RX, Rule: "api", Series: 3, Number: 1 << 41, Program: 1,
		Time: 1000, Judged: 1001, Length: 1500, Bytes: []byte("bytes"),
		Verdict: policy.Verdict{
			Loss: policy.Loss{By: policy.ByPercent, Mark: true}, Change: policy.Change{Copies: 1, Flips: 2, Behind: 3}, Delay: 4,
		},
	}
	left    = ledger.Entry{Kind: ledger.Left, Number: 7, Ordinal: 2, Time: 9, Length: 60, Bytes: make([]byte, 60), Marked: true}
	refused = ledger.Entry{Kind: ledger.Refused, Neighbour: true, Why: ledger.WhyMemory, Bytes: []byte{}}
)

// A stream has what was appended to it, in order.
func TestStream(t *testing.T) {
	missed, end := ledger.Missed{Direction: policy.RX, Entries: 1 << 40}, ledger.End{Why: "over"}
	b := ledger.AppendHeader(nil, header)
	b = ledger.AppendProgram(b, program)
	for _, e := range []ledger.Entry{arrived, left, refused} {
		b = ledger.AppendEntry(b, &e)
	}
	b = ledger.AppendEnd(ledger.AppendMissed(b, missed), end)
	s, err := ledger.NewStream(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if s.Header() != header {
		t.Errorf("header %+v", s.Header())
	}
	for _, want := range []any{&program, &arrived, &left, &refused, &missed, &end} {
		got, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := s.Next(); err != io.ErrUnexpectedEOF {
		t.Errorf("behind the end: %v", err)
	}
	for n := range len(b) {
		cutOff, err := ledger.NewStream(bytes.NewReader(b[:n]))
		for err == nil {
			_, err = cutOff.Next()
		}
		if n > 0 && !errors.Is(err, io.ErrUnexpectedEOF) && err != io.EOF {
			t.Fatalf("cut off at %d: %v", n, err)
		}
	}
}

// No two packets that are there at the same time have one ID.
func TestID(t *testing.T) {
	seen := make(map[uint64]ledger.Entry)
	for _, d := range []policy.Direction{policy.TX, policy.RX} {
		for series := range uint32(5) {
			for ordinal := range uint32(101) {
				for _, number := range []uint64{0, 1, 2, 1<<40 - 1} {
					for _, neighbour := range []bool{false, true} {
						e := ledger.Entry{Direction: d, Series: series, Ordinal: ordinal, Number: number, Neighbour: neighbour}
						if other, there := seen[e.ID()]; there {
							t.Fatalf("%+v and %+v have one ID", e, other)
						}
						seen[e.ID()] = e
					}
				}
			}
		}
	}
}

// One goroutine pulls exactly the pieces that another one pushes, and each stays whole.
func TestRing(t *testing.T) {
	r := ledger.NewRing(1000)
	if r.Push(make([]byte, 1001)) {
		t.Fatal("took more than there is room for")
	}
	var sent, got bytes.Buffer
	var group sync.WaitGroup
	const pushes = 20_000
	group.Go(func() {
		random := rand.New(rand.NewPCG(1, 2))
		for i := range pushes {
			piece := bytes.Repeat([]byte{byte(i)}, 1+random.IntN(300))
			for !r.Push(piece) {
			}
			sent.Write(piece)
		}
	})
	ended := make(chan struct{})
	go func() { group.Wait(); close(ended) }()
	for over := false; ; {
		select {
		case <-ended:
			over = true
		default:
		}
		first, second := r.Pull()
		got.Write(first)
		got.Write(second)
		r.Done(len(first) + len(second))
		if over && len(first) == 0 {
			break
		}
	}
	if !bytes.Equal(sent.Bytes(), got.Bytes()) {
		t.Errorf("%d bytes became %d, or others", sent.Len(), got.Len())
	}
}

// Entries that find no room are counted, and the stream says where they lack.
func TestRecorderMisses(t *testing.T) {
	r := ledger.NewRecorder(policy.RX, ledger.Filter{}, 2000)
	e := left
	pushed := 0
	for ; ; pushed++ {
		r.Entry(&e)
		if all, _ := r.Missed(); all == 3 {
			break
		}
	}
	if _, untold := r.Missed(); untold != 3 {
		t.Errorf("%d untold, want 3", untold)
	}
	out := ledger.AppendHeader(nil, header)
	pull := func() {
		first, second := r.Pull()
		out = append(append(out, first...), second...)
		r.Done(len(first) + len(second))
	}
	pull()
	r.Entry(&e)
	pull()
	s, err := ledger.NewStream(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	for range pushed - 2 {
		if got, err := s.Next(); err != nil || got.(*ledger.Entry).Direction != policy.RX {
			t.Fatal(got, err)
		}
	}
	got, err := s.Next()
	if diff := cmp.Diff(&ledger.Missed{Direction: policy.RX, Entries: 3}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if got, err := s.Next(); err != nil || got.(*ledger.Entry).Number != e.Number {
		t.Error(got, err)
	}
	if all, untold := r.Missed(); all != 3 || untold != 0 {
		t.Errorf("%d missed, %d untold", all, untold)
	}
}

// A recorder tells each program once, and takes only what its filter wants.
func TestRecorder(t *testing.T) {
	r := ledger.NewRecorder(policy.TX, ledger.Filter{Lost: true, Rule: policy.DefaultRule}, 1<<16)
	if !r.Wants("", true) || r.Wants("", false) || r.Wants("api", true) {
		t.Error("the filter is wrong")
	}
	one, two := new(int), new(int)
	for i, key := range []any{one, one, two, one} {
		made := false
		id := r.Program(key, func() ledger.Program { made = true; return program })
		if want := []uint32{1, 1, 2, 1}[i]; id != want || made != (i == 0 || i == 2) {
			t.Errorf("call %d: number %d, made %v", i, id, made)
		}
	}
}

// A program is compiled as its fields say.
func TestCompile(t *testing.T) {
	p := program
	p.Policy = "drop 1 percent 50"
	got, err := p.Compile()
	parsed, _ := policy.Parse(p.Policy)
	if want := parsed.CompileAt(policy.Start{Epoch: p.Epoch, Seed: p.Seed, First: p.First}); err != nil || got != want {
		t.Error(got, err)
	}
	if !got.Decide(0, 12).Lost() {
		t.Error("packet 12 is the first one, and not lost")
	}
	p.Policy = "nonsense"
	if _, err := p.Compile(); err == nil {
		t.Error("nonsense was compiled")
	}
}

// FuzzStream reads anything without a panic.
func FuzzStream(f *testing.F) {
	b := ledger.AppendHeader(nil, header)
	b = ledger.AppendEntry(ledger.AppendProgram(b, program), &arrived)
	f.Add(ledger.AppendEnd(ledger.AppendMissed(b, ledger.Missed{Entries: 1}), ledger.End{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ledger.NewStream(bytes.NewReader(b))
		for err == nil {
			var v any
			if v, err = s.Next(); err != nil {
				break
			}
			if e, ok := v.(*ledger.Entry); ok {
				again := ledger.AppendEntry(nil, e)
				if !bytes.Contains(b, again[len(again)-len(e.Bytes):]) || e.ID() == 0 && e.Number == 1 {
					t.Errorf("%+v", e)
				}
			}
		}
	})
}
