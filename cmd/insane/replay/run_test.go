package replay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insane/ledger/pcapng"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// ask sets policies and a seed.
func ask(t *testing.T, b *testbed.Bed, tx, rx string, seed uint64) api.Info {
	t.Helper()
	return labtest.Set(t, b.Daemon, api.Change{TX: &tx, RX: &rx, Seed: &seed})
}

// record records what f does, and returns the path of the file.
func record(t *testing.T, b *testbed.Bed, f func()) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run.pcapng")
	command := b.Daemon.Command(context.Background(), "insanely", "record", "-w", path)
	var said bytes.Buffer
	command.Stderr = &said
	labtest.Must(t, command.Start())
	labtest.Await(t, "the recording to begin", func() bool {
		_, err := os.Stat(path)
		return err == nil
	})
	f()
	labtest.Must(t, command.Process.Signal(os.Interrupt))
	if err := command.Wait(); err != nil || strings.Contains(said.String(), "missing") {
		t.Fatalf("%v: %s", err, said.String())
	}
	return path
}

// replay replays a file.
func replay(t *testing.T, b *testbed.Bed, path string) string {
	t.Helper()
	out := labtest.Run(t, b.Borea, "insanely", "--socket", b.Daemon.Socket, "replay", path, lab.Link)
	if !strings.Contains(out, "run.pcapng: 0 of ") || !strings.Contains(out, "replay: the relay gives each packet its recorded verdict") {
		t.Errorf("%s", out)
	}
	return out
}

// told is what a recording tells of the packets to and from a port of morgana, by directions.
type told [2][]ledger.Entry

// read reads the arrivals of a recording. Each verdict must be that of the program that it names.
func read(t *testing.T, path string, port uint16) (list told) {
	t.Helper()
	file, err := os.Open(path)
	labtest.Must(t, err)
	defer file.Close()
	r, err := pcapng.NewReader(file)
	labtest.Must(t, err)
	seen := make(map[uint64]bool)
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		labtest.Must(t, err)
		k := frame.Key(append(make(frame.Frame, frame.HeaderLen), e.Bytes...))
		if e.Kind != ledger.Arrived || e.Neighbour || k.SourcePort != port && k.DestinationPort != port {
			continue
		}
		program, err := r.Program(e).Compile()
		labtest.Must(t, err)
		if want := program.Decide(e.Judged, e.Number); want != e.Verdict {
			t.Fatalf("%v %d: the verdict is %v, its program says %v", e.Direction, e.Number, e.Verdict, want)
		}
		if seen[e.ID()] {
			t.Fatalf("%v %d: its identity is that of another packet", e.Direction, e.Number)
		}
		seen[e.ID()] = true
		entry := *e
		entry.Bytes = nil
		list[e.Direction] = append(list[e.Direction], entry)
	}
}

// lost is how many of the packets are lost.
func lost(list []ledger.Entry) (n int) {
	for i := range list {
		if list[i].Lost() {
			n++
		}
	}
	return n
}

// same fails unless the packets that both recordings have got the same verdicts. The second one may
// have more, or fewer, since TCP and QUIC go by the clock.
func (list told) same(t *testing.T, again told) {
	t.Helper()
	for d, first := range list {
		both := min(len(first), len(again[d]))
		for i := range both {
			a, b := &first[i], &again[d][i]
			if a.Verdict != b.Verdict || a.Number != b.Number || a.Judged != b.Judged {
				t.Fatalf("%v packet %d: %v by number %d, then %v by number %d", policy.Direction(d), i, a.Verdict, a.Number, b.Verdict, b.Number)
			}
		}
		t.Logf("%v: %d and %d packets, %d and %d of them lost; the first %d had the same verdicts",
			policy.Direction(d), len(first), len(again[d]), lost(first), lost(again[d]), both)
		if both == 0 {
			t.Errorf("%v: nothing to compare", policy.Direction(d))
		}
	}
}

// balances fails unless the counters of both directions balance.
func balances(t *testing.T, i api.Info) {
	t.Helper()
	for _, s := range []api.Stats{i.TX.Stats, i.RX.Stats} {
		sum := s.Relayed.Packets + s.Held.Packets
		for _, c := range s.Dropped {
			sum += c.Packets
		}
		if sum != s.Offered.Packets+s.Copied.Packets {
			t.Errorf("offered %d, accounted for %d", s.Offered.Packets, sum)
		}
	}
}
