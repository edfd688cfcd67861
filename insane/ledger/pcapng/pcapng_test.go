package pcapng_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insane/ledger/pcapng"
	"github.com/seed-39a139a1/insane/policy"
)

var header = ledger.Header{
	Device: "insane", Real: 1_700_000_000_000_000_000, Began: 1000, Filter: ledger.Filter{Lost: true, Rule: "api", Snaplen: 64},
}

var programs = []ledger.Program{
	{ID: 1, Direction: policy.TX, Policy: "percent 95 delay 20ms", Seed: 7},
	{ID: 1, Direction: policy.RX, Rule: "api", Policy: "pass", Seed: 1<<64 - 1, Epoch: 12, First: 99},
}

// packet is an Ethernet frame with an IPv4 header.
var packet = append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2},
	0, 9, 0, 9, 0, 8, 0, 0)

// entries are of each kind, with each field.
func entries() []ledger.Entry {
	length := uint32(len(packet))
	return []ledger.Entry{
		{Kind: ledger.Arrived, Number: 4711, Program: 1, Judged: 2001, Time: 2000, Length: length, Bytes: packet,
			Verdict: policy.Verdict{Loss: policy.Loss{By: policy.ByPercent}}},
		{Kind: ledger.Arrived, Number: 4712, Program: 1, Judged: 2001, Time: 2000, Length: 9000, Bytes: packet, Series: 2,
			Verdict: policy.Verdict{
				Loss: policy.Loss{By: policy.ByExactly, Mark: true}, Change: policy.Change{Copies: 1, Flips: 2, Behind: 3}, Delay: 20_100_000,
			}},
		{Kind: ledger.Left, Number: 4712, Series: 2, Ordinal: 1, Time: 1 << 50, Length: length, Bytes: packet[:20], Marked: true},
		{Kind: ledger.Arrived, Direction: policy.RX, Number: 0, Program: 1, Rule: "api", Judged: 5, Time: 5, Length: length, Bytes: packet},
		{Kind: ledger.Refused, Direction: policy.RX, Number: 0, Rule: "api", Time: 6, Length: length, Bytes: packet, Why: "slave-busy"},
		{Kind: ledger.Arrived, Number: 3, Neighbour: true, Time: 6, Length: length, Bytes: packet},
		{Kind: ledger.Arrived, Number: 1 << 60, Program: 1, Time: 6, Length: 0, Bytes: []byte{}, Why: "malformed"},
	}
}

// file returns a file of the entries.
func file(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	all := make(pcapng.Programs)
	w, err := pcapng.NewWriter(&out, header, all)
	if err != nil {
		t.Fatal(err)
	}
	for i := range programs {
		all.Add(&programs[i])
	}
	for i, e := range entries() {
		if i == 2 {
			w.Missed(ledger.Missed{Entries: 12})
		}
		if err := w.Entry(&e); err != nil {
			t.Fatal(err)
		}
	}
	w.Missed(ledger.Missed{Direction: policy.RX, Entries: 3})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A file has what was written to it, and says how much is missing.
func TestFile(t *testing.T) {
	r, err := pcapng.NewReader(bytes.NewReader(file(t)))
	if err != nil {
		t.Fatal(err)
	}
	if r.Header() != header {
		t.Errorf("header %+v", r.Header())
	}
	for _, want := range entries() {
		e, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, e); diff != "" {
			t.Error(diff)
		}
		if want.Program == 0 {
			continue
		}
		if diff := cmp.Diff(&programs[want.Direction], r.Program(e)); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := r.Next(); err != io.EOF || !r.Ended() || r.Missed() != 15 {
		t.Errorf("the end: %v, ended %v, %d missed", err, r.Ended(), r.Missed())
	}
}

// A second file of a recording has the programs that it needs.
func TestSecondFile(t *testing.T) {
	all := make(pcapng.Programs)
	all.Add(&programs[0])
	for range 2 {
		var out bytes.Buffer
		w, err := pcapng.NewWriter(&out, header, all)
		e := entries()[0]
		if err != nil || w.Entry(&e) != nil || w.Close() != nil {
			t.Fatal(err)
		}
		r, err := pcapng.NewReader(&out)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Next(); err != nil || r.Program(got) == nil {
			t.Error("no program", err)
		}
	}
}

// A file that is cut off is read up to there.
func TestCutOff(t *testing.T) {
	whole := file(t)
	most := 0
	for n := range len(whole) {
		r, err := pcapng.NewReader(bytes.NewReader(whole[:n]))
		read := 0
		for err == nil {
			if _, err = r.Next(); err == nil {
				read++
			}
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) && err != io.EOF && !(n == 0 && err == pcapng.ErrFormat) {
			t.Fatalf("cut off at %d of %d: %v", n, len(whole), err)
		}
		if r != nil && r.Ended() {
			t.Fatalf("cut off at %d of %d: has an end", n, len(whole))
		}
		if read < most {
			t.Fatalf("cut off at %d: %d entries, with fewer bytes %d", n, read, most)
		}
		most = read
	}
	if most != len(entries()) {
		t.Errorf("%d entries read", most)
	}
}

// Other files are refused.
func TestFormat(t *testing.T) {
	for _, text := range []string{"", "text", strings.Repeat("x", 100), "\n\r\r\n"} {
		if _, err := pcapng.NewReader(strings.NewReader(text)); err != pcapng.ErrFormat && err != io.ErrUnexpectedEOF {
			t.Errorf("%q: %v", text, err)
		}
	}
	other := bytes.Replace(file(t), []byte("insane ledger 1"), []byte("insane ledger 9"), 1)
	if _, err := pcapng.NewReader(bytes.NewReader(other)); err != pcapng.ErrFormat {
		t.Error(err)
	}
	broken := errors.New("broken")
	if _, err := pcapng.NewReader(io.MultiReader(bytes.NewReader(file(t)[:20]), failing{broken})); err != broken {
		t.Error(err)
	}
	comment := bytes.Replace(file(t), []byte("tx 4711 lost"), []byte("tx 4711 xxxx"), 1)
	r, err := pcapng.NewReader(bytes.NewReader(comment))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err == nil {
		t.Error("a comment without sense was read")
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// tcpdump opens a file, and sees its packets.
func TestTcpdump(t *testing.T) {
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Skip("no tcpdump")
	}
	path := filepath.Join(t.TempDir(), "run.pcapng")
	if err := os.WriteFile(path, file(t), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("tcpdump", "-n", "-t", "-r", path, "udp").Output()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(out), "10.9.0.1.9 > 10.9.0.2.9: UDP"); n < 4 {
		t.Errorf("tcpdump shows %d packets:\n%s", n, out)
	}
}

// FuzzRead reads anything without a panic, and reads the same of what it writes.
func FuzzRead(f *testing.F) {
	f.Add(file(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := pcapng.NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		var out bytes.Buffer
		w, err := pcapng.NewWriter(&out, r.Header(), make(pcapng.Programs))
		if err != nil {
			t.Fatal(err)
		}
		var all []ledger.Entry
		for {
			e, err := r.Next()
			if err != nil {
				break
			}
			kept := *e
			kept.Bytes = bytes.Clone(e.Bytes)
			if w.Entry(e) == nil {
				all = append(all, kept)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := pcapng.NewReader(&out)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range all {
			e, err := again.Next()
			if err != nil {
				t.Fatal(err)
			}
			want.Time = e.Time // a file that is not ours may have other resolutions
			if diff := cmp.Diff(&want, e); diff != "" && len(want.Bytes)+len(e.Bytes) > 0 {
				t.Error(diff)
			}
		}
	})
}
