package owner

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// question asks which station has an address. The answer can be assigned to its question,
// because each question has a different sender: a MAC address or an IP address.
type question struct {
	name  string
	key   string
	frame []byte
	want  int // answers
}

// asker sends questions from morgana and receives all answers.
type asker struct {
	*testbed.RawSocket
	shared net.HardwareAddr                                      // of slave and device, which must be the sender of answers
	read   func(frame []byte) (key string, mac []byte, yes bool) // whether a frame is an answer, and to which question
	asked  int
}

func newAsker(t testing.TB, b *testbed.Bed, read func([]byte) (string, []byte, bool)) *asker {
	t.Helper()
	return &asker{
		RawSocket: b.RawSocket(t, b.Morgana, lab.Link, 0),
		shared:    labtest.LinkOf(t, b.Borea, lab.Link).Attrs().HardwareAddr, read: read,
	}
}

// stranger returns a new MAC address each time.
func (a *asker) stranger() net.HardwareAddr {
	a.asked++
	return net.HardwareAddr{0x02, 0x0a, 0, 0, byte(a.asked >> 8), byte(a.asked)}
}

// ask sends all questions at once, and fails unless each question gets the expected number
// of answers.
func (a *asker) ask(t testing.TB, questions []question) {
	t.Helper()
	missing, answers := 0, make(map[string]int)
	for _, q := range questions {
		missing += q.want
		if err := a.Send(q.frame); err != nil {
			t.Fatalf("%s: %v", q.name, err)
		}
	}
	quiet := 50 * time.Millisecond // wait after the last answer, for answers that are too many
	end := time.Now().Add(labtest.Patience)
	for ; time.Now().Before(end); time.Sleep(time.Millisecond) {
		for key := range a.hear(t) {
			answers[key]++
			if missing--; missing == 0 {
				end = time.Now().Add(quiet)
			}
		}
		if missing <= 0 && time.Until(end) > quiet {
			end = time.Now().Add(quiet)
		}
	}
	for _, q := range questions {
		if got := answers[q.key]; got != q.want {
			t.Errorf("%s: %d answers, want %d", q.name, got, q.want)
		}
		delete(answers, q.key)
	}
	if len(answers) != 0 {
		t.Errorf("answers to what nobody asked: %v", answers)
	}
}

// hear returns the keys of the answers that have come.
func (a *asker) hear(t testing.TB) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for {
			n, _, err := unix.Recvfrom(a.Fd, a.Buffer[:], unix.MSG_DONTWAIT)
			if err == unix.EAGAIN {
				return
			}
			if err != nil {
				if err == unix.EINTR {
					continue
				}
				t.Fatal(err)
			}
			key, mac, yes := a.read(a.Buffer[:n])
			if !yes {
				continue
			}
			if from := a.Buffer[6:12]; !bytes.Equal(mac, a.shared) || !bytes.Equal(from, a.shared) {
				t.Errorf("an answer to %s comes from %x and says %x, want %s", key, from, mac, a.shared)
			}
			if !yield(key) {
				return
			}
		}
	}
}

// setting are the settings that affect which link answers.
type setting struct {
	mode      string
	strict    bool // reverse path check
	ignoreARP bool // for addresses of other links
}

func (s setting) String() string {
	return fmt.Sprintf("%s/strict=%v/ignore=%v", s.mode, s.strict, s.ignoreARP)
}

// place says which links of borea have an address, or which links a route leads through.
type place struct {
	name          string
	addr          netip.Addr
	slave, device bool
}

// on reports whether place contains a link.
func (p place) on(link string) bool {
	return link == lab.Link && p.slave || link == testbed.Device && p.device
}
