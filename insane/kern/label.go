package kern

import (
	"encoding/binary"

	"github.com/seed-39a139a1/insane/policy"
)

// Label is what the kernel knows of a frame in the queue of the interface beside its bytes.
// The zero value is a frame of which nothing is known.
type Label struct {
	Priority, Mark uint32
	Entered        policy.Time // when it entered the queue, on CLOCK_MONOTONIC; 0: not known
}

// Labels finds the labels of the frames that are read from the queue of the interface: see
// label.h. Only the goroutine that reads the queue may use it. A nil Labels finds none.
type Labels struct {
	shared *sharedDirection
	ring   []sharedLabel
	head   uint64 // every note before this one is taken, or its frame will not come
	taken  uint64 // bit n: note head+n is taken
}

// labelWindow is how many notes Of looks at. Frames and notes have nearly the same order: it
// is as exact as the number of CPUs that put frames into the queue at once.
const labelWindow = 64

// Labels returns the labels of the frames in the queue of the interface. Call it for tx
// only, and once.
func (d *Direction) Labels() *Labels {
	return &Labels{shared: d.shared(), ring: d.objects.memory.labels}
}

// Stamp makes the kernel note for each frame when it entered the queue, or ends that. Until
// then the time is noted of no frame: it costs each one about as much as a decision.
func (l *Labels) Stamp(on bool) {
	stamps := uint64(0)
	if on {
		stamps = 1
	}
	if l != nil {
		l.shared.backlogs[0].stamps.Store(stamps)
	}
}

// Of returns the label of a frame that was read from the queue. ether is the frame without
// the virtio header. It must be called for each frame, in the order in which the frames were
// read.
func (l *Labels) Of(ether []byte) (found Label) {
	if l == nil {
		return Label{}
	}
	noted := l.shared.labels.Load()
	if noted == l.head {
		return Label{}
	}
	if noted-l.head > uint64(len(l.ring)) { // the kernel has overwritten the oldest notes
		l.head, l.taken = noted-uint64(len(l.ring)), 0
	}
	prints := [2]uint64{printOf(ether, false)} // by label.tagged
	if len(ether) > etherLen && (ether[12] == 0x81 && ether[13] == 0 || ether[12] == 0x88 && ether[13] == 0xa8) {
		prints[1] = printOf(ether, true)
	}
	for i := range min(noted-l.head, labelWindow) {
		note := &l.ring[(l.head+i)%uint64(len(l.ring))]
		if l.taken>>i&1 == 0 && note.turn.Load() == l.head+i+1 && note.print.Load() == prints[note.tagged.Load()&1] {
			found = Label{uint32(note.priority.Load()), uint32(note.mark.Load()), policy.Time(note.time.Load())}
			l.take(i)
			break
		}
	}
	return found
}

// take marks note head+i as taken. Notes that are far behind it are those of frames that
// the queue has lost.
func (l *Labels) take(i uint64) {
	l.taken |= 1 << i
	for l.taken&1 != 0 || i > labelWindow/2 {
		l.taken >>= 1
		l.head++
		i = max(i, 1) - 1
	}
}

// Settle forgets the notes of frames that will not come: if no frame waits in the queue, all
// notes were found or belong to frames that the queue has lost. Call it after Backlog.Done.
func (l *Labels) Settle() {
	if l == nil {
		return
	}
	noted := l.shared.labels.Load() // before waiting: each of these notes is of a frame that has entered
	if noted != l.head && !l.shared.backlogs[0].waiting() {
		l.head, l.taken = noted, 0
	}
}

// The fingerprint of a frame, and mix64, are those of label.h and decide.h.
const (
	printWords = 7
	printShort = 3
	etherLen   = 14 // Ethernet header
	tagLen     = 4  // VLAN tag, which the kernel has beside the bytes
)

// printOf returns the fingerprint of a frame. tagged: the kernel has had its VLAN tag beside
// the bytes.
func printOf(ether []byte, tagged bool) uint64 {
	from, length := etherLen, uint64(len(ether))
	if tagged {
		from, length = from+tagLen, length-tagLen
	}
	words := printWords
	if len(ether) < from+8*words {
		words = printShort
	}
	print := length
	if len(ether) < from+8*words {
		return print
	}
	for i := range words {
		print = mix64(print ^ binary.NativeEndian.Uint64(ether[from+8*i:]))
	}
	return print
}

func mix64(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
