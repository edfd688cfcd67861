package kern

import (
	"encoding/binary"
	"testing"

	"github.com/seed-39a139a1/insane/policy"
)

// noted is a ring of labels without a kernel: note does what label.h does.
type noted struct{ *Labels }

func newNoted() noted {
	return noted{&Labels{shared: new(sharedDirection), ring: make([]sharedLabel, 1024)}}
}

// note leaves a note about a frame, and counts it into the queue.
func (n noted) note(ether []byte, label uint32) {
	n.shared.backlogs[0].entered.Add(1)
	if label == 0 {
		return
	}
	turn := n.shared.labels.Add(1)
	l := &n.ring[(turn-1)%uint64(len(n.ring))]
	l.print.Store(printOf(ether, false))
	l.priority.Store(uint64(label))
	l.mark.Store(uint64(label) + 1)
	l.time.Store(uint64(label) + 2)
	l.turn.Store(turn)
}

// finds fails unless the label of a frame is found.
func (n noted) finds(t *testing.T, ether []byte, label uint32) {
	t.Helper()
	found := n.Of(ether)
	n.shared.backlogs[0].left.Add(1)
	one := min(label, 1)
	if want := (Label{label, one * (label + 1), policy.Time(one * (label + 2))}); found != want {
		t.Fatalf("frame %x: %+v, want %+v", ether[14:22], found, want)
	}
}

// numbered is a frame that differs from others in its number alone.
func numbered(i, size int) []byte {
	f := make([]byte, size)
	binary.BigEndian.PutUint64(f[14:], uint64(i))
	return f
}

// Each frame gets its own label, if frames and notes have nearly the same order, if frames
// without a label come in between, and if frames are lost. Short and long frames do.
func TestLabels(t *testing.T) {
	const burst = 900
	for _, size := range []int{40, 60, 1500} {
		n := newNoted()
		label := func(i int) uint32 { return uint32(i % 3) } // 0: none
		for round := range 20 {
			for i := range burst {
				n.note(numbered(round*burst+i, size), label(i))
			}
			for i := 0; i < burst; i++ {
				if i%100 == 7 {
					continue // lost in the queue
				}
				at := i
				if i < burst-10 && i%10 < 4 {
					at = i - i%10 + 3 - i%10 // four CPUs at once: in reverse order
				}
				if at%100 != 7 {
					n.finds(t, numbered(round*burst+at, size), label(at))
				}
			}
			n.shared.backlogs[0].left.Store(n.shared.backlogs[0].entered.Load())
			n.Settle()
		}
		if n.head != n.shared.labels.Load() {
			t.Errorf("%d of %d notes are left", n.shared.labels.Load()-n.head, n.shared.labels.Load())
		}
	}
}

// Notes that the ring has no room for are lost, and those after them are found.
func TestLabelsOverrun(t *testing.T) {
	n := newNoted()
	for i := range 3000 {
		n.note(numbered(i, 60), 5)
	}
	for i := 3000 - 1024; i < 3000; i++ {
		n.finds(t, numbered(i, 60), 5)
	}
	n.note(numbered(1, 60), 0)
	n.finds(t, numbered(1, 60), 0)
}

// While frames wait, Settle forgets nothing.
func TestLabelsSettle(t *testing.T) {
	n := newNoted()
	n.note(numbered(1, 60), 5)
	n.note(numbered(2, 60), 6)
	n.Settle()
	n.finds(t, numbered(1, 60), 5)
	n.Settle()
	n.finds(t, numbered(2, 60), 6)
	var none *Labels
	if found := none.Of(numbered(1, 60)); found != (Label{}) {
		t.Error("a nil Labels finds a label")
	}
	none.Settle()
	none.Stamp(true)
}

// The fingerprint does not include the VLAN tag that the kernel has beside the bytes.
func TestPrintOfTagged(t *testing.T) {
	plain := numbered(1, 100)
	tagged := append(append(append([]byte{}, plain[:12]...), 0x81, 0, 0, 5), plain[12:]...)
	if printOf(plain, false) != printOf(tagged, true) || printOf(plain, false) == printOf(tagged, false) {
		t.Error("the fingerprint depends on the tag")
	}
}
