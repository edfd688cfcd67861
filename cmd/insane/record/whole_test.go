package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

func eachWay(t *testing.T, test func(t *testing.T, b *testbed.Bed)) {
	for name, open := range map[string]func(testing.TB, ...string) *testbed.Bed{"tx": testbed.New, "rx": testbed.NewReceiver} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// directionOf is the direction of a bed's packets.
func directionOf(b *testbed.Bed) policy.Direction {
	if b.Receiving() {
		return policy.RX
	}
	return policy.TX
}

// faults has every fault, many of them together.
var faults = []string{
	"pass", "percent 90 gemodel 5 30 80 1 every 7 exactly 3 of 50 drop 1,5-70,200 time 20ms 10ms", "percent 80 run 4 state 5 30",
	"percent 50 ecn", "duplicate 20 copies 2 corrupt 30 bits 2", "rate 200mbit queue 30", "rate 100mbit queue 1s mark 1ms",
	"delay 3ms jitter 1ms", "delay 2ms jitter 2ms reordering", "reorder 10 by 3 slot 1ms 2ms",
	"percent 95 duplicate 10 corrupt 5 rate 1gbit delay 2ms reorder 5 by 2",
}

// alone has those that faults has together only.
var alone = []string{
	"percent 90", "percent 80 run 4", "gemodel 5 30 80 1", "state 5 30", "every 7", "exactly 3 of 50", "drop 1,5-70,200", "time 20ms 10ms",
	"duplicate 20 copies 2", "corrupt 30 bits 2", "reorder 10 by 3", "slot 1ms 2ms",
}

// TestWhole: whatever is done to the packets, single ones and those of super-frames, the recording
// has each as it was sent, the verdict of its program, and each as it left; it has what was
// counted, and no more than what has arrived. INSANE_PACKETS says how many packets each fault gets,
// each fault alone as well.
func TestWhole(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		const usual = 2 * testbed.Window
		packets, list := testbed.EnvInt(t, "INSANE_PACKETS", usual), faults
		if packets > usual {
			list = slices.Concat(faults, alone)
		}
		for _, text := range list {
			t.Run(text, func(t *testing.T) { whole(t, b, text, packets) })
		}
	})
}

func whole(t *testing.T, b *testbed.Bed, text string, packets int) {
	f := b.NewFlow(t, 4)
	testbed.SetOption(t, f.Out, unix.IPPROTO_IP, unix.IP_TOS, 2) // ECN-capable
	_, a := b.Begin(t, text, 1)
	filter := ledger.Filter{}
	if packets > mostWhole {
		filter.Snaplen = payloadAt + testbed.Sequence
	}
	r := record(t, b.Daemon, directionOf(b), filter)
	if now := b.Direction(labtest.Info(t, b.Daemon)); now.Path != api.PathRelay {
		t.Errorf("recorded, and the path is %s", now.Path)
	}
	plain := packets / 2 / testbed.Window * testbed.Window
	size := func(i int) int { return testbed.Sequence + i*7%(testbed.MaxUDP-testbed.Sequence) }
	supers := testbed.Supers(packets)
	got := make(map[int]int) // how often each number has arrived
	received := 0
	for from := 0; from < packets; from += testbed.Window {
		to := min(from+testbed.Window, packets)
		if from < plain {
			f.SendPlain(t, testbed.Cargo{Size: size}, from, to)
		} else {
			if from == plain {
				testbed.SetOption(t, f.Out, unix.SOL_UDP, unix.UDP_SEGMENT, testbed.Segment)
			}
			supers.Send(t, f, from, to)
		}
		s := a.Settle(t, to)
		received += receive(t, f, int(s.Relayed.Packets)-received, got, text)
	}
	r.match(t, "", true, func() sums { return sumsOf(b.Stats(t)).since(sumsOf(a.Before)) })
	if n := r.verdicts(t); n != packets {
		t.Errorf("%d packets were judged, %d sent", n, packets)
	}
	r.once(t)
	checkBytes(t, r, func(i int) int {
		if i < plain {
			return size(i)
		}
		return supers.Size(i)
	}, got)
}

// mostWhole is how many packets may be kept with all their bytes.
const mostWhole = 10_000

// receive receives so many packets, if nothing damages them.
func receive(t *testing.T, f *testbed.Flow, count int, got map[int]int, text string) (received int) {
	t.Helper()
	p, _ := policy.Parse(text)
	if p.StageText(policy.ByCorrupt) != "" {
		return count // the host refuses some
	}
	_ = f.In.SetReadDeadline(time.Now().Add(testbed.Longest))
	for received < count {
		n, err := f.Receiver.ReadBatch(f.Arrived[:min(count-received, len(f.Arrived))], 0)
		if err != nil {
			t.Fatalf("%d of %d packets have arrived: %v", received, count, err)
		}
		for _, m := range f.Arrived[:n] {
			got[testbed.NumberOf(m.Buffers[0][:m.N])]++
		}
		received += n
	}
	return received
}

const payloadAt = 14 + 20 + 8

// checkBytes fails unless each packet came as it was sent, and left as its verdict says. got is how
// often each number arrived; none: that is not known.
func checkBytes(t *testing.T, r *book, size func(i int) int, got map[int]int) {
	t.Helper()
	r.end()
	came := make(map[uint64]ledger.Entry)
	left := make(map[int]int)
	short := r.from.Header().Snaplen > 0
	for _, e := range r.entries {
		if e.Kind == ledger.Arrived {
			came[e.Number] = e
			payload := e.Bytes[payloadAt:]
			i := testbed.NumberOf(payload)
			if short {
				continue
			}
			want := make([]byte, size(i))
			testbed.Fill(want, i)
			if !bytes.Equal(payload, want) || int(e.Length) != len(e.Bytes) || !right(e.Bytes[14:]) {
				t.Fatalf("packet %d is not what was sent as number %d", e.Number, i)
			}
		}
	}
	programs := make(map[uint32]policy.Program)
	for id, p := range r.programs {
		programs[id], _ = p.Compile() // verdicts has done so
	}
	for _, e := range r.entries {
		if e.Kind != ledger.Left {
			continue
		}
		before := came[e.Number]
		left[testbed.NumberOf(before.Bytes[payloadAt:])]++
		want := append(make(frame.Frame, frame.HeaderLen), before.Bytes...)
		if before.Verdict.Mark || e.Marked {
			frame.MarkCE(want)
		}
		if short {
			continue
		}
		program := programs[before.Program]
		if v := before.Verdict; v.Flips > 0 && e.Ordinal == 0 || e.Ordinal > 0 && program.Copy(before.Judged, e.Number, e.Ordinal).Flips > 0 {
			frame.Flip(want, program.Flip(nil, e.Number, e.Ordinal, frame.Bits(want)))
		}
		if !bytes.Equal(e.Bytes, want[frame.HeaderLen:]) {
			t.Fatalf("packet %d, copy %d, with the verdict %v left as\n%x, not as\n%x", e.Number, e.Ordinal, before.Verdict, e.Bytes, want[frame.HeaderLen:])
		}
	}
	for i, n := range got {
		if left[i] != n {
			t.Fatalf("number %d left %d times, and arrived %d times", i, left[i], n)
		}
	}
}

// right reports whether the checksums of an IPv4 packet with UDP are right.
func right(packet []byte) bool {
	udp := packet[20:]
	pseudo := slices.Concat(packet[12:20], []byte{0, packet[9]}, binary.BigEndian.AppendUint16(nil, uint16(len(udp))), udp)
	return sumOf(packet[:20]) == 0xffff && sumOf(pseudo) == 0xffff
}

// sumOf is the sum of 16-bit words of RFC 1071.
func sumOf(b []byte) (sum uint32) {
	if len(b)%2 == 1 {
		b = append(slices.Clip(b), 0)
	}
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum
}

// TestCaptured: what leaves by the recording is what a packet socket on the other side captures,
// bit by bit, also of damaged, marked and copied packets.
func TestCaptured(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		link := lab.Link
		if b.Receiving() {
			link = testbed.Device
		}
		for _, text := range []string{"corrupt 30 bits 2 delay 1ms", "percent 60 ecn duplicate 20"} {
			f := b.NewFlow(t, 4)
			testbed.SetOption(t, f.Out, unix.IPPROTO_IP, unix.IP_TOS, 2)
			testbed.SetOption(t, f.Out, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1) // else a capture shows partial checksums
			_, a := b.Begin(t, text, 3)
			r := record(t, b.Daemon, directionOf(b), ledger.Filter{})
			tap := b.RawSocket(t, b.To, link, 0)
			labtest.Must(t, unix.SetsockoptInt(tap.Fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20))
			f.SendPlain(t, testbed.Cargo{Size: testbed.Always(300)}, 0, 200)
			s := a.Settle(t, 200)
			captured := make(map[string]int)
			for n := uint64(0); n < s.Relayed.Packets; n++ {
				captured[string(frameOf(t, tap))]++
			}
			r.match(t, "", true, func() sums { return sumsOf(b.Stats(t)).since(sumsOf(a.Before)) })
			r.end()
			for _, e := range r.entries {
				if e.Kind == ledger.Left {
					captured[string(e.Bytes)]--
				}
			}
			for packet, n := range captured {
				if n != 0 {
					t.Errorf("%s: captured %d times more than recorded: %x", text, n, packet)
				}
			}
		}
	})
}

// frameOf waits for an IPv4 frame. It is valid until the next call.
func frameOf(t *testing.T, s *testbed.RawSocket) []byte {
	t.Helper()
	for {
		n, err := unix.Read(s.Fd, s.Buffer[:])
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			t.Fatal(os.NewSyscallError("read", err))
		case n > 14 && binary.BigEndian.Uint16(s.Buffer[12:]) == unix.ETH_P_IP:
			return s.Buffer[:n]
		}
	}
}
