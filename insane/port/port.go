// Package port is the two ends of a device: the TAP interface that the host
// sees and the packet socket on its slave. It makes the system calls that move
// frames; package host makes those that ask the host or change it.
//
//   - port.go: what the relay sees of either end
//   - tap_linux.go: the TAP interface
//   - slave_linux.go: the sockets on the slave; receive_linux.go and send_linux.go:
//     one for each way
//   - file_linux.go: frames through a file descriptor
//   - filter.go: which frames the receiving socket gets
//   - arena.go: the memory of the frames of one batch
package port

import (
	"errors"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// What Write can say of a frame that was not passed on. The frame is lost; the
// port goes on working for those behind it, except after ErrGone.
var (
	ErrBusy    = errors.New("queue is full")
	ErrDown    = errors.New("interface is down")
	ErrGone    = errors.New("interface was deleted")
	ErrInvalid = errors.New("frame makes no sense to the kernel")
	ErrTooBig  = errors.New("frame exceeds the MTU")
)

// Port is what the relay sees of either end. porttest has one made of channels.
type Port interface {
	// Read waits until at least one frame is there and then takes what else
	// is waiting, up to a cap. The frames are the caller's to read and to
	// overwrite until the next Read, and gone then. One goroutine may read.
	// After Close, Read and Write fail with an error that is os.ErrClosed.
	Read() ([]frame.Frame, error)

	// Write passes the frames on in order and waits for room where the
	// kernel asks for it. It returns how many were passed on; if that is
	// fewer than all, the error says what is wrong with the next one, and
	// the caller may go on behind it. One goroutine may write.
	Write([]frame.Frame) (int, error)

	// Close releases the port and wakes Read and Write. It may be called
	// from any goroutine, and again.
	Close() error
}
