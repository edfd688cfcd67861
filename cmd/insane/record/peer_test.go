package record

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insane/ledger/pcapng"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// TestNobodyReads: a recording that nobody reads loses entries, which it counts, and no packet.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	program, a := b.Begin(t, "percent 90", 3)
	r, err := b.Daemon.Client.Record(context.Background(), ledger.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f := b.NewFlow(t, 4)
	const packets = 28 * testbed.Window // more bytes than there is memory for
	f.Carry(t, a, program, testbed.Cargo{Count: packets, Size: testbed.Always(testbed.MaxUDP)})
	entries, missed := 0, uint64(0)
	for missed == 0 {
		next, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		switch v := next.(type) {
		case *ledger.Entry:
			entries++
		case *ledger.Missed:
			missed += v.Entries
		}
		if entries == 2*packets {
			t.Fatal("nothing was missed")
		}
		if r.Buffered() == 0 && entries%1000 == 0 { // the word about what is missing comes with the next entry
			f.SendPlain(t, testbed.Cargo{Size: testbed.Always(20)}, packets, packets+1)
		}
	}
	t.Logf("%d entries, then %d missing", entries, missed)
}

// TestManyRecordings: there are four at a time at most, and each user sees why not more. Only who may
// change the device may record it. A recording of a rule wants the rule.
func TestManyRecordings(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	for range 4 {
		record(t, b.Daemon, policy.TX, ledger.Filter{})
	}
	if _, err := b.Daemon.Client.Record(context.Background(), ledger.Filter{}); !errors.Is(err, api.ErrBusy) || !strings.Contains(err.Error(), "4 times") {
		t.Errorf("a fifth recording: %v", err)
	}
	i := labtest.Info(t, b.Daemon)
	if i.Path != api.PathRelay || !strings.Contains(i.TX.PathReason, "insanely record") {
		t.Errorf("path %s: %q", i.Path, i.TX.PathReason)
	}
}

// TestRecordCommand: insanely record writes what Wireshark and tcpdump open, also if it is killed;
// then nothing is left of it, and the kernel carries again. What it has written is explained.
func TestRecordCommand(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	if _, err := b.Daemon.Client.Record(context.Background(), ledger.Filter{Rule: "none"}); !errors.Is(err, api.ErrInvalid) {
		t.Errorf("a rule that is not there: %v", err)
	}
	program, a := b.Begin(t, "percent 90", 3)
	path := filepath.Join(t.TempDir(), "run.pcapng")
	command := b.Daemon.Command(context.Background(), "insanely", "record", "-w", path)
	var said bytes.Buffer
	command.Stderr = &said
	labtest.Must(t, command.Start())
	recorded := func() bool { return strings.Contains(labtest.Info(t, b.Daemon).TX.PathReason, "recorded") }
	labtest.Await(t, "the recording to begin", recorded)
	f := b.NewFlow(t, 4)
	f.Carry(t, a, program, testbed.Cargo{Count: testbed.Window, Size: testbed.Always(100)})
	labtest.Await(t, "the file to have the packets", func() bool { return arrivals(t, path) == testbed.Window })
	labtest.Must(t, command.Process.Signal(syscall.SIGKILL))
	_ = command.Wait()
	labtest.Await(t, "the recording to end", func() bool { return !recorded() })
	if out := labtest.Run(t, b.Borea, "tcpdump", "-n", "-r", path, "udp"); strings.Count(out, "UDP") != 2*testbed.Window-int(testbed.Drops(program, testbed.Window)) {
		t.Errorf("tcpdump shows %d packets", strings.Count(out, "UDP"))
	}
	out := labtest.Run(t, b.Borea, "insanely", "explain", path)
	if n := strings.Count(out, "  lost: percent 90 (draw 0.0"); n != int(testbed.Drops(program, testbed.Window)) {
		t.Errorf("%d losses are explained of %d:\n%.500s", n, testbed.Drops(program, testbed.Window), out)
	}

	command = b.Daemon.Command(context.Background(), "insanely", "record", "-w", path)
	said.Reset()
	command.Stderr = &said
	labtest.Must(t, command.Start())
	labtest.Await(t, "the recording to begin", recorded)
	labtest.Must(t, command.Process.Signal(os.Interrupt))
	if err := command.Wait(); err != nil || !strings.HasPrefix(said.String(), "insanely: recorded 0 packets") {
		t.Errorf("%v: %s", err, said.String())
	}
}

// arrivals counts the packets in a file that is being written.
func arrivals(t *testing.T, path string) (n int) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer file.Close()
	r, err := pcapng.NewReader(file)
	for err == nil {
		var e *ledger.Entry
		if e, err = r.Next(); err == nil && e.Kind == ledger.Arrived && !e.Neighbour {
			n++
		}
	}
	return n
}

// TestDeviceEnds: what is held when the daemon ends leaves, and is in the recording, which then says
// that the device ends. What was held when the recording began is there when it leaves.
func TestDeviceEnds(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	_, a := b.Begin(t, "delay 1m", 3)
	f := b.NewFlow(t, 4)
	held := func(n uint64) {
		labtest.Await(t, "packets to be held", func() bool { return b.Stats(t).Held.Packets-a.Before.Held.Packets == n })
	}
	f.SendPlain(t, testbed.Cargo{Size: testbed.Always(100)}, 0, 10)
	held(10)
	r, err := b.Daemon.Client.Record(context.Background(), ledger.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f.SendPlain(t, testbed.Cargo{Size: testbed.Always(100)}, 10, 30)
	held(30)
	go b.Daemon.Stop()
	var end *ledger.End
	arrived, left := 0, 0
	for end == nil {
		next, err := r.Next()
		if err != nil {
			t.Fatalf("%d arrived, %d left: %v", arrived, left, err)
		}
		switch v := next.(type) {
		case *ledger.Entry:
			switch {
			case v.Neighbour:
			case v.Kind == ledger.Arrived:
				arrived++
			case v.Kind == ledger.Left:
				left++
			}
		case *ledger.End:
			end = v
		}
	}
	if arrived != 20 || left != 30 || end.Why != "the device ends" {
		t.Errorf("%d arrived, %d left, %+v", arrived, left, end)
	}
	if _, err := r.Next(); err != io.ErrUnexpectedEOF && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
		t.Errorf("behind the end: %v", err)
	}
}
