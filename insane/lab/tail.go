package lab

import "sync"

// tailSize is how much of a log is kept, in bytes.
const tailSize = 64 << 10

// tail is a writer that keeps the end of what was written to it.
type tail struct {
	mu   sync.Mutex
	text []byte // guarded by mu; at most 2*tailSize, so that it is rarely cut
}

// Write implements io.Writer. It never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if excess := len(t.text) - tailSize; excess > tailSize {
		t.text = append(t.text[:0], t.text[excess:]...)
	}
	return len(p), nil
}

// String returns the last tailSize bytes.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text[max(0, len(t.text)-tailSize):])
}
