package hold

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestCopies: each packet arrives as often as the engine says, and copies are equal in every
// byte; with a delay, too.
func TestCopies(t *testing.T) {
	for _, text := range []string{"duplicate 30 copies 2", "duplicate 100", "duplicate 30 delay 5ms", "percent 80 duplicate 50 copies 3 delay 5ms jitter 2ms each reordering"} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			eachWay(t, func(t *testing.T, b *testbed.Bed) {
				const count = 400
				s := newStream(t, b, 700)
				before := b.Stats(t).Copied.Packets
				program, _ := b.Begin(t, text, 5)
				s.super(t, 40)
				s.send(t, count-40, 0)
				want, total, copies := map[int]int{}, 0, 0
				for i := range count {
					if v := program.Decide(0, uint64(i)); !v.Lost() {
						want[i] = 1 + int(v.Copies)
						total, copies = total+want[i], copies+int(v.Copies)
					}
				}
				got := map[int]int{}
				for _, a := range s.receive(t, total) {
					s.whole(t, a)
					got[a.number]++
				}
				for i := range count {
					if got[i] != want[i] {
						t.Errorf("packet %d came %d times, want %d", i, got[i], want[i])
					}
				}
				if copied := b.Stats(t).Copied.Packets - before; copied != uint64(copies) {
					t.Errorf("%d copies counted, want %d", copied, copies)
				}
				if more := s.rest(t, 50*time.Millisecond); len(more) != 0 {
					t.Errorf("%d packets too many", len(more))
				}
			})
		})
	}
}

// TestDamage: exactly as many bits are flipped as the policy says, behind the Ethernet header
// and where the engine says, in packets that no checksum protects.
func TestDamage(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		from, to := lab.Link, lab.Link
		if b.Receiving() {
			to = testbed.Device
			all := api.ReceiveAll
			labtest.Set(t, b.Daemon, api.Change{Receive: &all})
		} else {
			from = testbed.Device
		}
		program, _ := b.Begin(t, "corrupt 50 bits 3", 7)
		out, in := b.RawSocket(t, b.From, from, 0), b.RawSocket(t, b.To, to, 0)
		damaged := 0
		for i := range 200 {
			sent := make([]byte, 14+200)
			copy(sent, "\xff\xff\xff\xff\xff\xff")
			copy(sent[6:], testbed.Stranger)
			binary.BigEndian.PutUint16(sent[12:], 0x88b5)
			copy(sent[14:], testbed.Noise[i:])
			if err := out.Send(sent); err != nil {
				t.Fatal(err)
			}
			n, err := unix.Read(in.Fd, in.Buffer[:])
			if err != nil {
				t.Fatal(err)
			}
			got := in.Buffer[:n]
			want := bytes.Clone(sent)
			if v := program.Decide(0, uint64(i)); v.Flips != 0 {
				damaged++
				for _, at := range program.Flip(nil, uint64(i), 0, 8*200) {
					want[14+at/8] ^= 0x80 >> (at % 8)
				}
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("packet %d: %d bits differ from what was sent, and it is not what the engine says", i, differ(got, sent))
			}
		}
		if got := b.Stats(t).Damaged.Packets; damaged == 0 || got != uint64(damaged) {
			t.Errorf("%d packets counted as damaged, want %d", got, damaged)
		}
	})
}

// differ counts the bits in which two packets differ.
func differ(a, b []byte) (n int) {
	for i := range a {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n
}

// TestDamageIsFound: the checksum of each packet of UDP that was damaged fails at the receiver,
// also where the sender has left the checksum to the device, and in super-frames.
func TestDamageIsFound(t *testing.T) {
	for _, text := range []string{"corrupt 100", "corrupt 100 delay 3ms"} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			eachWay(t, func(t *testing.T, b *testbed.Bed) {
				s := newStream(t, b, 1000)
				before := b.Stats(t)
				_, a := b.Begin(t, text, 9)
				s.send(t, 300, 0)
				s.super(t, 30)
				a.Await(t, 330)
				if list := s.rest(t, 200*time.Millisecond); len(list) != 0 {
					t.Errorf("%d damaged packets were taken for good, number %d first", len(list), list[0].number)
				}
				if damaged := b.Stats(t).Damaged.Packets - before.Damaged.Packets; damaged != 330 {
					t.Errorf("%d packets counted as damaged, want 330", damaged)
				}
			})
		})
	}
}

// TestReorder: each chosen packet leaves behind exactly as many later ones as the policy says,
// and all others stay in order.
func TestReorder(t *testing.T) {
	for _, text := range []string{"reorder 2", "reorder 2 by 5", "reorder 5 by 3 delay 10ms"} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			eachWay(t, func(t *testing.T, b *testbed.Bed) {
				const count = 1000
				s := newStream(t, b, 64)
				program, _ := b.Begin(t, text, 11)
				s.send(t, count/2, 0)
				s.super(t, 40)
				s.send(t, count/2-40, 0)
				list := s.receive(t, count)
				came := make([]bool, count)
				for _, a := range list {
					s.whole(t, a)
					came[a.number] = true
					later := 0
					for n := a.number + 1; n < count; n++ {
						if came[n] && program.Decide(0, uint64(n)).Behind == 0 {
							later++
						}
					}
					want := int(program.Decide(0, uint64(a.number)).Behind)
					if a.number < count-100 && later < want || later > want+1 {
						t.Errorf("packet %d came behind %d later ones, want %d", a.number, later, want)
					}
				}
			})
		})
	}
}

// TestMarks: what a stage would lose arrives with a mark if it says that it can be marked, and
// is lost otherwise.
func TestMarks(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		const count, ect, ce = 200, 2, 3
		for _, capable := range []bool{true, false} {
			s := newStream(t, b, 64)
			testbed.SetOption(t, s.In, unix.SOL_IP, unix.IP_RECVTOS, 1)
			tos := 0
			if capable {
				tos = ect
			}
			testbed.SetOption(t, s.Out, unix.SOL_IP, unix.IP_TOS, tos)
			program, _ := b.Begin(t, "percent 60 ecn", 13)
			before := b.Stats(t)
			s.send(t, count, 0)
			lost := 0
			for i := range count {
				if program.Decide(0, uint64(i)).By != 0 && !capable {
					lost++
				}
			}
			list := s.receive(t, count-lost)
			for _, a := range list {
				want := tos
				if program.Decide(0, uint64(a.number)).By != 0 {
					want = ce
				}
				if a.tos != want {
					t.Errorf("packet %d has the mark %d, want %d", a.number, a.tos, want)
				}
			}
			now := b.Stats(t)
			marked, dropped := now.Marked["percent"].Packets-before.Marked["percent"].Packets, now.Stages["percent"].Packets-before.Stages["percent"].Packets
			if capable && (marked == 0 || dropped != 0) || !capable && (marked != 0 || dropped == 0) {
				t.Errorf("capable %v: %d marked, %d dropped", capable, marked, dropped)
			}
		}
	})
}
