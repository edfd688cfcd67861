package cli

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// The bounds of a queue: about what a burst of log lines needs, and little memory.
const (
	maxLines     = 512
	maxLineBytes = 256 << 10 // of all lines together
)

// At the end, close looks every closePoll. A writer that has not taken its line during
// stuckLooks of them is not waited for any more, and none is given up before fewestLooks. They
// count looks and not time: on a busy machine this process may have been kept from running
// all that time, its writer too. Only a writer that has been stuck for stuckBefore when the end
// comes is not waited for at all.
const (
	closePoll   = 10 * time.Millisecond
	stuckLooks  = 10
	fewestLooks = 4
	stuckBefore = time.Second
)

// queue is an io.Writer that never waits. It hands lines to a writer that may be slow, may
// block for ever (a pipe that nobody reads), or may fail (a pipe that is closed, a full
// disk). Lines that find the queue full, and lines that cannot be written, are dropped and
// counted. One goroutine writes, and nobody waits for it but close.
//
// All methods may be called from any goroutine.
type queue struct {
	out   io.Writer
	work  chan struct{} // has a value if there may be lines
	empty chan struct{} // has a value if the last line was handled
	ended chan struct{} // closed by close

	mu      sync.Mutex
	lines   [][]byte  // the first one is being written
	began   time.Time // of the write of the first line; zero: it is not being written
	handled uint64    // lines that were written, or could not be
	size    int       // bytes in lines
	dropped uint64
	told    uint64       // the part of dropped that report was told
	report  func(uint64) // nil: nobody wants to know
}

// newQueue starts the goroutine. The caller must call close.
func newQueue(out io.Writer) *queue {
	q := &queue{out: out, work: make(chan struct{}, 1), empty: make(chan struct{}, 1), ended: make(chan struct{})}
	go q.run()
	return q
}

// Write implements io.Writer; p is one line or several. It copies p, and never returns an
// error.
func (q *queue) Write(p []byte) (int, error) {
	q.mu.Lock()
	if len(q.lines) < maxLines && q.size+len(p) <= maxLineBytes {
		q.lines = append(q.lines, bytes.Clone(p))
		q.size += len(p)
	} else {
		q.dropped++
	}
	q.mu.Unlock()
	wake(q.work)
	return len(p), nil
}

// Dropped returns how many lines were dropped so far.
func (q *queue) Dropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// tell makes the queue call report with a number of dropped lines when lines can be written
// again. report may write to the queue.
func (q *queue) tell(report func(lines uint64)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.report = report
}

// close ends the queue when all lines are written, when the writer is stuck, or after
// patience. Lines that are written to it afterwards are lost. Call it once.
func (q *queue) close(patience time.Duration) {
	defer close(q.ended)
	end, last, same := time.Now().Add(patience), uint64(0), 0
	if q.stuck() {
		return
	}
	for looks := 0; ; looks++ {
		left, handled := q.rest()
		if same++; handled != last {
			last, same = handled, 0
		}
		if left == 0 || same > stuckLooks || looks >= fewestLooks && !time.Now().Before(end) {
			return
		}
		select {
		case <-q.empty:
		case <-time.After(closePoll):
		}
	}
}

// stuck reports whether the writer has not taken its line for long.
func (q *queue) stuck() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.began.IsZero() && time.Since(q.began) >= stuckBefore
}

// rest returns how many lines are left, and how many were handled.
func (q *queue) rest() (left int, handled uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.lines), q.handled
}

// run writes lines until close.
func (q *queue) run() {
	for {
		select {
		case <-q.ended:
			return
		case <-q.work:
		}
		for line := q.first(); line != nil; line = q.first() {
			_, err := q.out.Write(line)
			q.done(err)
		}
		wake(q.empty)
	}
}

// first returns the first line, which stays in the queue and is to be written now; nil if
// there is none.
func (q *queue) first() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.lines) == 0 {
		return nil
	}
	q.began = time.Now()
	return q.lines[0]
}

// done removes the first line after it was written, or could not be. A line that could be
// written and was the last one is the moment to report what was dropped.
func (q *queue) done(err error) {
	q.mu.Lock()
	q.size -= len(q.lines[0])
	q.lines, q.began = q.lines[1:], time.Time{}
	q.handled++
	if err != nil {
		q.dropped++
	}
	report, lines := q.report, q.dropped-q.told
	due := err == nil && len(q.lines) == 0 && lines > 0 && report != nil
	if due {
		q.told = q.dropped
	}
	q.mu.Unlock()
	if due {
		report(lines)
	}
}

// wake puts a value into a channel with room for one.
func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
