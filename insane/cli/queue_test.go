package cli

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stuck is a writer that blocks until room is closed. It must not be read before that.
type stuck struct {
	room chan struct{}
	text bytes.Buffer
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.room
	return s.text.Write(p)
}

// Lines for a writer that blocks cost no time. The first ones stay, the others are dropped
// and counted; all that were kept are written when there is room, and then the number of
// those that were not is reported, once.
func TestQueueDropsAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{room: make(chan struct{})}
		q := newQueue(w)
		var reported []uint64
		q.tell(func(n uint64) { reported = append(reported, n) })
		for n := range maxLines + 7 {
			fmt.Fprintf(q, "%d\n", n)
		}
		if got := q.Dropped(); got != 7 {
			t.Errorf("%d lines dropped, want 7", got)
		}
		close(w.room)
		synctest.Wait()
		lines := strings.Fields(w.text.String())
		if len(lines) != maxLines || lines[0] != "0" || lines[maxLines-1] != fmt.Sprint(maxLines-1) {
			t.Errorf("%d lines written, from %s to %s", len(lines), lines[0], lines[len(lines)-1])
		}
		fmt.Fprintln(q, "later")
		q.close(time.Second)
		if !strings.HasSuffix(w.text.String(), "\nlater\n") {
			t.Errorf("a later line is not written: %q", w.text.String()[max(0, w.text.Len()-20):])
		}
		if len(reported) != 1 || reported[0] != 7 {
			t.Errorf("reported %v, want 7", reported)
		}
	})
}

// Long lines are bounded by their bytes.
func TestQueueBoundsBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{room: make(chan struct{})}
		q := newQueue(w)
		for range 10 {
			q.Write(make([]byte, maxLineBytes/4))
		}
		if got := q.Dropped(); got != 6 {
			t.Errorf("%d lines dropped, want 6", got)
		}
		close(w.room)
		q.close(time.Second)
	})
}

// The end waits for a writer that is slow, but not for long, however long the end may take.
func TestQueueClose(t *testing.T) {
	for _, tt := range []struct {
		what            string
		before          time.Duration // between the line and the end
		patience, after time.Duration // after: when the writer has room; 0: never
		took            time.Duration
		written         string
	}{
		{"stuck before", stuckBefore, time.Minute, 0, 0, ""},
		{"stuck", 0, time.Minute, 0, stuckLooks * closePoll, ""},
		{"stuck, and little time", 0, time.Millisecond, 0, fewestLooks * closePoll, ""},
		{"stuck, and some time", 0, (fewestLooks + 2) * closePoll, 0, (fewestLooks + 2) * closePoll, ""},
		{"slow", 0, time.Minute, closePoll * 3 / 2, closePoll * 3 / 2, "last words\n"},
		{"slow, and little time", 0, time.Millisecond, closePoll * 3 / 2, closePoll * 3 / 2, "last words\n"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := &stuck{room: make(chan struct{})}
			q := newQueue(w)
			fmt.Fprintln(q, "last words")
			time.Sleep(tt.before)
			if tt.after > 0 {
				time.AfterFunc(tt.after, func() { close(w.room) })
			}
			began := time.Now()
			q.close(tt.patience)
			if took := time.Since(began); took != tt.took {
				t.Errorf("%s: close took %v, want %v", tt.what, took, tt.took)
			}
			if tt.after == 0 {
				close(w.room)
			} else if w.text.String() != tt.written {
				t.Errorf("%s: written is %q", tt.what, w.text.String())
			}
		})
	}
}

// failing is a writer that always fails, as a closed pipe does.
type failing struct{ calls int }

func (f *failing) Write([]byte) (int, error) { f.calls++; return 0, errors.New("broken pipe") }

// A writer that fails costs its lines. What was dropped is not reported to it, which would
// be one more line that is dropped.
func TestQueueWriterFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &failing{}
		q := newQueue(w)
		q.tell(func(uint64) { fmt.Fprintln(q, "dropped") })
		for range 3 {
			fmt.Fprintln(q, "line")
			synctest.Wait()
		}
		q.close(time.Second)
		if q.Dropped() != 3 || w.calls != 3 {
			t.Errorf("%d dropped, %d written; want 3 each", q.Dropped(), w.calls)
		}
	})
}
