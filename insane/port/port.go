// Package port is the two ends of a device: the TAP interface that the host sees, and the
// packet sockets on the slave. It carries frames in batches and knows nothing of policies.
// Links, addresses and routes are package host's.
//
//   - port.go: the interface Port and the errors of Write
//   - tap_linux.go: the TAP: its creation, offloads, carrier and queue filter
//   - tunnel_linux.go: super-frames of UDP tunnels, in and out of the TAP
//   - device_linux.go: the file /dev/net/tun, and what to do without it
//   - where_linux.go: where the interface of a TAP is now
//   - restore_linux.go: what other programs may have changed of a TAP, put back
//   - slave_linux.go: the two packet sockets of a slave
//   - receive_linux.go: the packet socket that receives
//   - control_linux.go: what the kernel says of a received frame beside its bytes
//   - arrival_linux.go: when received frames arrived
//   - send_linux.go: the packet socket that sends
//   - file_linux.go: reading and writing a non-blocking descriptor
//   - wait_linux.go: waiting for a descriptor, and for a time
//   - silence_linux.go: a port from which nothing comes
//   - thread_linux.go: the priority of the thread that reads
//   - descriptor_linux.go: a descriptor that several goroutines use until it is closed
//   - filter.go: which frames the receiving socket gets
//   - arena.go: the memory of one batch
//   - pages_linux.go: memory for frames that wait
//
// Every frame begins with a virtio header (see package frame).
package port

import (
	"errors"
	"time"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

// Errors of Write. Each says why one frame was not passed on. That frame is lost. The port
// goes on working for the frames behind it, except after ErrGone, which is final. An errno
// that is none of these is returned as it is. Compare with errors.Is.
var (
	ErrBusy    = errors.New("queue is full")                      // of the kernel or of the NIC
	ErrDown    = errors.New("interface is down")                  // it may come up again
	ErrGone    = errors.New("interface was deleted")              // even if a new one has its name
	ErrInvalid = errors.New("frame makes no sense to the kernel") // its virtio header or its length
	ErrTooBig  = errors.New("frame exceeds the MTU")              // and has no GSO type
)

// Label is what the kernel has beside the bytes of a frame, for queueing disciplines and
// filters to go by: the priority (SO_PRIORITY) and the mark (SO_MARK).
type Label struct{ Priority, Mark uint32 }

// Labeller is a Port that can give frames a label.
type Labeller interface {
	// SetLabel gives a label to the frames that are written from now on. Only the goroutine
	// that calls Write may call it. After an error the frames have no label.
	SetLabel(Label) error
}

// Tunneller is a Port that may carry super-frames of UDP tunnels in one piece, as
// frame.Layout.Mark marks them.
type Tunneller interface {
	// CarriesTunnels reports whether it does. It waits for nothing, and its result never
	// changes.
	CarriesTunnels() bool
}

// Stamper is a Port whose kernel can say when a frame arrived, which may be some time before
// Read returns it.
type Stamper interface {
	// Stamp makes the kernel note when each frame arrives, or ends that. It costs every frame
	// that the host receives, whoever gets it, so it is off at first. Any goroutine may call
	// it; it waits for nothing.
	Stamp(on bool) error

	// Arrivals returns when each frame of the last Read arrived, on CLOCK_MONOTONIC; 0: not
	// known. Only the goroutine that reads may call it, and before the next Read.
	Arrivals() []policy.Time
}

// WaitTurn is how long a Write that waits for room sleeps at most before it looks around.
const WaitTurn = 100 * time.Millisecond

// Port is one end of a device, as the relay sees it. TAP and Slave are the real ones;
// package porttest has one that is made of channels. Read and Write may run at the same
// time, each in one goroutine.
type Port interface {
	// Read waits until at least one frame is there, or until the time until has come; 0: it
	// waits for a frame only. Then it takes the frames that wait already, up to 64 frames or
	// the size of its memory, and returns them in the order of their arrival; none and no
	// error if the time came first. Shortly before that time it may spin. It keeps the
	// thread of its goroutine while it waits. An empty frame stands for one that the kernel has, but cannot return:
	// that one is lost. The caller may read and overwrite the frames until the next Read,
	// which uses their memory again. Only one goroutine may call Read. When the interface
	// was deleted, a TAP returns ErrGone and a Slave waits for Close. After Close, Read
	// returns os.ErrClosed.
	Read(until policy.Time) ([]frame.Frame, error)

	// Wake makes Read return soon, with no frame and no error if none waits: the Read that
	// waits, or else the next one. Any goroutine may call it; it waits for nothing.
	Wake()

	// Write passes the frames on in order. Where the kernel asks for it, Write waits until
	// there is room. It returns the number of frames that were passed on. If this is less
	// than all, the error says what is wrong with the next frame, and the caller may call
	// Write again with the frames behind it. Write does not keep the frames. Only one
	// goroutine may call Write. After Close it returns os.ErrClosed.
	Write([]frame.Frame) (int, error)

	// Progress returns a number that grows as long as Write works: with each frame that
	// it has passed on or that was refused, and while it waits for room, at least once in
	// WaitTurn. It stands still while Write hangs, and while nothing is written. Any
	// goroutine may call it, also after Close; it waits for nothing.
	Progress() uint64

	// Close releases the port and wakes Read and Write. Any goroutine may call it, and it
	// may be called again.
	Close() error
}
