package hold

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

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
			got := frameOf(t, in, 0x88b5)
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
		if damaged == 0 {
			t.Error("no packet was to be damaged")
		}
		counts(t, b, "damaged", damaged, func(s api.Stats) uint64 { return s.Damaged.Packets })
	})
}

// differ counts the bits in which two packets differ.
func differ(a, b []byte) (n int) {
	for i := range a {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n
}

// TestDamageIsFound: of UDP packets, single ones and those of super-frames, exactly as many bits
// are flipped as the policy says, and the receiver refuses those whose checksum fails. The sender has
// left the checksum to the device. One flip never escapes the checksum. Two can: they leave the sum
// as it is if they turn the same bit of two words, up in the one and down in the other, and they can
// turn the checksum into 0, which means that there is none. Then the receiver takes the packet,
// as it would on any network.
func TestDamageIsFound(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		for text, flips := range map[string]int{"corrupt 100": 1, "corrupt 100 delay 3ms": 1, "corrupt 100 bits 2": 2, "corrupt 100 bits 9 delay 3ms": 9} {
			t.Run(text, func(t *testing.T) {
				s := newStream(t, b, 1000)
				tap := b.RawSocket(t, b.To, map[bool]string{true: testbed.Device, false: lab.Link}[b.Receiving()], 0)
				labtest.Must(t, unix.SetsockoptInt(tap.Fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20))
				before := b.Stats(t)
				program, _ := b.Begin(t, text, 9)
				var escaped [][]byte // the payloads of those whose checksums are right
				for n := 0; n < 330; n++ {
					if n == 300 {
						s.super(t, 30)
					} else if n < 300 {
						s.send(t, 1, 0)
					}
					packet := frameOf(t, tap, unix.ETH_P_IP)[etherLen:]
					if rightChecksums(packet) {
						escaped = append(escaped, bytes.Clone(packet[ipLen+udpLen:]))
					}
					places := program.Flip(nil, uint64(n), 0, uint64(8*len(packet)))
					for _, at := range places {
						packet[at/8] ^= 0x80 >> (at % 8)
					}
					if !rightChecksums(packet) || !s.sentAs(packet[ipLen+udpLen:], n) || len(places) != flips {
						t.Fatalf("packet %d is not what was sent, but for %d bits that are not those of the engine", n, flips)
					}
				}
				for _, a := range s.rest(t, 200*time.Millisecond) {
					if !slices.ContainsFunc(escaped, func(p []byte) bool { return bytes.HasPrefix(p, a.bytes) }) {
						t.Errorf("a damaged packet was taken for good, although its checksum is wrong: number %d", a.number)
					}
				}
				if flips == 1 && len(escaped) > 0 {
					t.Errorf("the checksums of %d packets are right", len(escaped))
				}
				t.Logf("%d of 330 packets have checksums that do not tell", len(escaped))
				counts(t, b, "damaged", 330, func(s api.Stats) uint64 { return s.Damaged.Packets - before.Damaged.Packets })
			})
		}
	})
}

// Lengths of headers in bytes.
const (
	etherLen = 14
	ipLen    = 20
	udpLen   = 8
)

// frameOf waits for a frame of an EtherType. It is valid until the next call.
func frameOf(t *testing.T, s *testbed.RawSocket, kind uint16) []byte {
	t.Helper()
	for {
		n, err := unix.Read(s.Fd, s.Buffer[:])
		if errors.Is(err, unix.EINTR) { // a socket with a time limit is not read again by itself (signal(7))
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if frame := s.Buffer[:n]; n > etherLen && binary.BigEndian.Uint16(frame[12:]) == kind {
			return frame
		}
	}
}

// rightChecksums reports whether a receiver would find nothing wrong with the checksums of a packet.
func rightChecksums(packet []byte) bool {
	udp := packet[ipLen:]
	if binary.BigEndian.Uint16(udp[6:]) == 0 { // there is no checksum
		return sumOf(packet[:ipLen]) == 0xffff
	}
	pseudo := slices.Concat(packet[12:20], []byte{0, packet[9]}, binary.BigEndian.AppendUint16(nil, uint16(len(udp))), udp)
	return sumOf(packet[:ipLen]) == 0xffff && sumOf(pseudo) == 0xffff
}

// sumOf is the sum of 16-bit words of RFC 1071.
func sumOf(b []byte) (sum uint32) {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum
}
