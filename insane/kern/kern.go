// Package kern is the kernel's side of a device: eBPF programs in C, compiled
// beforehand, and the Go around them.
//
//	insane.c    the programs, and where in the kernel each stands
//	owner.h   who owns a frame that arrives: claim.go tells it what the device claims
//	decide.h  package policy's Decide once more
//	direction.h    one direction as the kernel and the relay share it: direction.go
//	layout.h   how many packets a frame is
//
// The receive filter decides about each frame that arrives, once, whose it is. The
// fast path relays or drops what needs no byte changed, in either direction, and
// leaves the rest to the relay: a frame that it does not understand, a super-frame
// whose packets have different verdicts, and everything that would overtake those.
//
// Everything is held by file descriptors and goes with the process, except on
// kernels without tcx (before 6.6): there a filter and perhaps a clsact qdisc stay
// on the slave after a kill. They do nothing without the daemon's packet socket,
// and the next daemon that takes frames removes them.
//
// The decision about what arrives is handed from the packet socket's filter to the
// program at ingress by the processor that receives the frame. On kernels with
// real-time preemption another frame may come in between; that frame may then be
// lost, or reach both.
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

//go:generate go tool bpf2go -target bpfel,bpfeb kern insane.c -- -O2 -mcpu=v3 -Wall -Werror

// What Open and the Attach methods can say of a kernel and of the rights in it.
var (
	ErrRights      = errors.New("needs root, or CAP_BPF and CAP_NET_ADMIN")
	ErrUnsupported = errors.New("this kernel cannot do it")
)

// Objects are the programs of one device. They are safe for concurrent use.
type Objects struct {
	device  string
	bpf     kernObjects
	memory  *memory
	knows   policy.Stages // that the C can carry out
	tx, rx  *Direction
	barrier *cpuBarrier

	mu    sync.Mutex
	swept bool // of what earlier daemons have left
}

// Open loads the programs. They take nothing before they are attached and told to.
// device is the name of the device, under which they find what an earlier daemon of
// that name has left.
func Open(device string) (*Objects, error) {
	// Kernels before 5.11 count maps against a limit of locked memory. If it
	// cannot be raised, they may fit in it.
	_ = rlimit.RemoveMemlock()
	o := &Objects{device: device}
	if err := o.load(); err != nil {
		o.bpf.Close()
		return nil, explain("load the eBPF programs", err)
	}
	o.barrier = newCPUBarrier(o.synchronize)
	o.tx = &Direction{objects: o, index: tx}
	o.rx = &Direction{objects: o, index: rx}
	return o, nil
}

// compiled is what was compiled, read once. It is not to be changed.
var compiled = sync.OnceValues(loadKern)

func (o *Objects) load() error {
	found, err := compiled()
	if err != nil {
		return err
	}
	spec := found.Copy()
	if o.knows, err = knownStages(spec); err != nil {
		return err
	}
	processors, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	for _, name := range []string{kernMapCounts, kernMapDrops, kernMapInflights} {
		spec.Maps[name].MaxEntries *= uint32(processors)
	}
	if err := spec.LoadAndAssign(&o.bpf, nil); err != nil {
		return err
	}
	o.memory, err = newMemory(&o.bpf.kernMaps)
	return err
}

// knownStages reads from the object which stages its decide knows.
func knownStages(spec *ebpf.CollectionSpec) (stages policy.Stages, err error) {
	v, ok := spec.Variables[kernVarKnows]
	if !ok {
		return 0, errors.New("read the known stages: the object has no variable knows")
	}
	if err := v.Get(&stages); err != nil {
		return 0, fmt.Errorf("read the known stages: %w", err)
	}
	return stages, nil
}

// Close releases the programs. What they are attached to goes on having them, and
// the directions can still be read.
func (o *Objects) Close() error {
	o.barrier.close()
	return o.bpf.Close()
}

// TX is the direction from the host to the slave.
func (o *Objects) TX() *Direction { return o.tx }

// RX is the direction from the slave to the host.
func (o *Objects) RX() *Direction { return o.rx }

// Enter is the descriptor of a filter that every frame must pass on its way into
// the queue of the interface.
func (o *Objects) Enter() int { return o.bpf.TransmitEnter.FD() }

// None is the descriptor of a socket filter that takes nothing and copies what
// neighbours say.
func (o *Objects) None() int { return o.bpf.ReceiveNone.FD() }

// Auto is the descriptor of a socket filter that takes what is claimed.
func (o *Objects) Auto() int { return o.bpf.ReceiveAuto.FD() }

// All is the descriptor of a socket filter that takes everything.
func (o *Objects) All() int { return o.bpf.ReceiveAll.FD() }

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
