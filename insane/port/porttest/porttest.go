// Package porttest is a port without a kernel, for tests. A test sends frames into the
// port, and Read returns them; the test receives the frames that are written to the port.
// It keeps the contract of port.Port, so that a relay cannot tell it from a real port, and
// it can be told to refuse frames as the kernel does.
//
//   - porttest.go: the port
//   - frames.go: frames whose packets can be told apart
package porttest

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

// maxBatch is the most frames that one Read returns, if New was not told otherwise.
const maxBatch = 64

// Port is a fake port. Read takes its frames from In; Write puts them into Out. All
// methods are safe for concurrent use.
type Port struct {
	In  chan frame.Frame
	Out chan frame.Frame

	// Clock is the clock of the relay. Read needs it if it is to return at a time.
	Clock func() policy.Time

	batch  int
	wake   chan struct{}
	closed chan struct{}
	once   sync.Once
	wrote  atomic.Uint64

	mu   sync.Mutex
	fail func(frame.Frame) error
}

// New makes a port. In and Out hold depth frames each; with 0 they are unbuffered. Read
// returns up to batch frames at once; 0 stands for the usual number.
func New(depth, batch int) *Port {
	if batch == 0 {
		batch = maxBatch
	}
	return &Port{
		In:     make(chan frame.Frame, depth),
		Out:    make(chan frame.Frame, depth),
		batch:  batch,
		wake:   make(chan struct{}, 1),
		closed: make(chan struct{}),
	}
}

// Fail makes Write refuse every frame for which f returns an error, with this error. A nil
// f ends that.
func (p *Port) Fail(f func(frame.Frame) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = f
}

// Read implements port.Port. The time until is one of Clock.
func (p *Port) Read(until policy.Time) ([]frame.Frame, error) {
	var frames []frame.Frame
	var due <-chan time.Time
	if until != 0 {
		due = time.After(time.Duration(until - min(until, p.Clock())))
	}
	select {
	case f := <-p.In:
		frames = append(frames, f)
	case <-p.closed:
		return nil, os.ErrClosed
	case <-due:
		return nil, nil
	case <-p.wake:
		return nil, nil
	}
	for len(frames) < p.batch {
		select {
		case f := <-p.In:
			frames = append(frames, f)
		default:
			return frames, nil
		}
	}
	return frames, nil
}

// Wake implements port.Port.
func (p *Port) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Write implements port.Port. It puts copies into Out, since the memory of the frames
// belongs to the reader and will be overwritten.
func (p *Port) Write(frames []frame.Frame) (int, error) {
	for i, f := range frames {
		p.wrote.Add(1)
		if err := p.refusal(f); err != nil {
			return i, err
		}
		select {
		case <-p.closed:
			return i, os.ErrClosed
		default:
		}
		select {
		case p.Out <- f.Clone():
		case <-p.closed:
			return i, os.ErrClosed
		}
	}
	return len(frames), nil
}

// refusal returns the error with which Write refuses a frame, or nil.
func (p *Port) refusal(f frame.Frame) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail == nil {
		return nil
	}
	return p.fail(f)
}

// Progress implements port.Port, except that it stands still while Write waits for room in
// Out: to a relay, a full Out is a port that hangs.
func (p *Port) Progress() uint64 { return p.wrote.Load() }

// Close implements port.Port.
func (p *Port) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}
