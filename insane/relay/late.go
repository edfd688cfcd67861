package relay

import (
	"math/bits"
	"sync/atomic"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// The histogram has finest buckets for each power of two, so that a value is known to an
// eighth of itself. It covers all times.
const (
	finest     = 8
	finestBits = 3
	buckets    = (64 - finestBits + 1) * finest
)

// histogram counts how late packets left that were held, in fixed memory. It is safe for
// concurrent use.
type histogram struct {
	counts [buckets]atomic.Uint64
	worst  atomic.Uint64
	sum    atomic.Uint64
}

// add counts packets that left this much too late.
func (h *histogram) add(late policy.Time, packets int) {
	h.counts[bucketOf(uint64(late))].Add(uint64(packets))
	h.sum.Add(uint64(late) * uint64(packets))
	if uint64(late) > h.worst.Load() {
		h.worst.Store(uint64(late)) // only one goroutine adds
	}
}

// read returns the quantiles. Each is the upper end of its bucket, but not above the worst.
func (h *histogram) read() (l api.Late) {
	var counts [buckets]uint64
	for i := range counts {
		counts[i] = h.counts[i].Load()
		l.Packets += counts[i]
	}
	l.Worst, l.Sum = h.worst.Load(), h.sum.Load()
	l.P50, l.P99 = l.Worst, l.Worst
	var sum uint64
	for i := len(counts) - 1; i >= 0; i-- { // sum packets are later than those of bucket i
		if sum*100 <= l.Packets {
			l.P99 = min(l.Worst, endOf(i))
		}
		if sum*2 <= l.Packets {
			l.P50 = min(l.Worst, endOf(i))
		}
		sum += counts[i]
	}
	return l
}

// lateness is a histogram that takes memory when the first packet is counted. add is for one
// goroutine, read for all.
type lateness struct{ at atomic.Pointer[histogram] }

func (l *lateness) add(late policy.Time, packets int) {
	h := l.at.Load()
	if h == nil {
		h = new(histogram)
		l.at.Store(h)
	}
	h.add(late, packets)
}

func (l *lateness) read() api.Late {
	if h := l.at.Load(); h != nil {
		return h.read()
	}
	return api.Late{}
}

// bucketOf returns the bucket of a value.
func bucketOf(v uint64) int {
	shift := max(0, bits.Len64(v)-finestBits-1)
	return shift*finest + int(v>>shift)
}

// endOf returns the greatest value in a bucket.
func endOf(i int) uint64 {
	shift := max(0, i/finest-1)
	return (uint64(i-shift*finest)+1)<<shift - 1
}
