// Package kern is the kernel's side of a device: eBPF programs in C, compiled
// beforehand, and the Go around them.
//
// receive.c has the receive filter: which of the frames that arrive at the slave
// are the device's, decided once per frame, so that each has one owner. claim.go
// tells it what the device claims, attach.go hangs it into the slave's ingress.
//
// Everything is held by file descriptors and goes with the process, except on
// kernels without tcx (before 6.6): there a filter and perhaps a clsact qdisc stay
// on the slave after a kill. They do nothing without the daemon's packet socket,
// and the next daemon that takes frames removes them.
//
// The decision is handed from the packet socket's filter to the program at ingress
// by the processor that receives the frame. On kernels with real-time preemption
// another frame may come in between; that frame may then be lost, or reach both.
package kern

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/policy"
)

//go:generate go tool bpf2go -target bpfel,bpfeb receive receive.c -- -O2 -Wall -Werror

// What OpenReceive and Attach can say of a kernel and of the rights in it.
var (
	ErrRights      = errors.New("needs root, or CAP_BPF and CAP_NET_ADMIN")
	ErrUnsupported = errors.New("this kernel cannot do it")
)

// Receive is the receive filter of one device. It is safe for concurrent use.
type Receive struct {
	device  string
	objects receiveObjects

	mu    sync.Mutex
	swept bool // of what earlier daemons have left
}

// OpenReceive loads the filter. It takes nothing before it is attached, has a
// lease and, for Auto, claims. device is the name of the device, under which it
// finds what an earlier daemon of that name has left.
func OpenReceive(device string) (*Receive, error) {
	// Kernels before 5.11 count maps against a limit of locked memory. If it
	// cannot be raised, they may fit in it.
	_ = rlimit.RemoveMemlock()
	r := &Receive{device: device}
	if err := loadReceiveObjects(&r.objects, nil); err != nil {
		return nil, explain("load the receive filter", err)
	}
	return r, nil
}

// Close releases the filter. What it is attached to goes on having it.
func (r *Receive) Close() error { return r.objects.Close() }

// Auto is the descriptor of a socket filter that takes what is claimed.
func (r *Receive) Auto() int { return r.objects.ReceiveAuto.FD() }

// All is the descriptor of a socket filter that takes everything.
func (r *Receive) All() int { return r.objects.ReceiveAll.FD() }

// Lease lets the filter take frames until then, and no longer. 0 ends it at once.
func (r *Receive) Lease(until policy.Time) error {
	if err := r.objects.Lease.Put(uint32(0), uint64(until)); err != nil {
		return fmt.Errorf("set the lease of the receive filter: %w", err)
	}
	return nil
}

// explain says what an error of the kernel means for a person.
func explain(what string, err error) error {
	// Of rights the library has more to say, to programmers.
	for _, errno := range []unix.Errno{unix.EPERM, unix.EACCES} {
		if errors.Is(err, errno) {
			return fmt.Errorf("%s: %w: %w", what, errno, ErrRights)
		}
	}
	if errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.ENOSYS) {
		return fmt.Errorf("%s: %w: %w", what, err, ErrUnsupported)
	}
	return fmt.Errorf("%s: %w", what, err)
}
