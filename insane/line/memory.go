package line

import "sync/atomic"

// Source is where the memory of frames comes from, and where it goes back to. Its methods may be
// called by the goroutine of any line that has it.
type Source interface {
	// Alloc returns this many bytes, or nil if there are none.
	Alloc(bytes int) []byte
	// Free takes back what Alloc has returned.
	Free([]byte)
}

// Memory is the budget that the lines of a device share. Any number of goroutines may use it.
type Memory struct {
	budget int64
	used   atomic.Int64
	source Source
}

// NewMemory makes a budget of this many bytes, which bounds the chunks of frames and what the line
// must know of each frame. Nothing can be held with less than a chunk of 2 MiB. source is where
// chunks come from; nil: the heap of Go.
func NewMemory(bytes uint64, source Source) *Memory {
	const most = 1 << 60
	if source == nil {
		source = goHeap{}
	}
	return &Memory{budget: int64(min(bytes, most)), source: source}
}

// Used is how many bytes are in use, or kept for what comes.
func (m *Memory) Used() uint64 { return uint64(max(0, m.used.Load())) }

// chunk returns the memory of a chunk; nil if the budget has no room for it.
func (m *Memory) chunk() []byte {
	if m.used.Add(chunkLen) > m.budget {
		m.used.Add(-chunkLen)
		return nil
	}
	b := m.source.Alloc(chunkLen)
	if b == nil {
		m.used.Add(-chunkLen)
	}
	return b
}

// free takes back the memory of a chunk.
func (m *Memory) free(b []byte) {
	m.source.Free(b)
	m.used.Add(-chunkLen)
}

// charge counts memory that the line needs for frames that it has already.
func (m *Memory) charge(bytes int) { m.used.Add(int64(bytes)) }

// goHeap is the Source that is used if there is no other.
type goHeap struct{}

func (goHeap) Alloc(bytes int) []byte { return make([]byte, bytes) }
func (goHeap) Free([]byte)            {}
