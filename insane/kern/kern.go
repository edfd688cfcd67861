// Package kern is the kernel's side of a device: eBPF programs in C, and the Go that
// loads, attaches and controls them. The C is compiled in advance; its objects are
// part of the package.
//
//	insane.c     the eBPF programs, and the hook of the kernel that each one runs at
//	common.h     includes and macros that all of the C uses
//	owner.h      decides who owns a received frame, from the claims of the device
//	claims.h     the claims: what is known of an address, and the latest answers
//	recall.h     remembers how the packets of a flow leave the host
//	flow.h       names the flow of a packet
//	chain.h      random draws, and losses with memory
//	decide.h     decides about a packet, exactly as Decide of package policy does
//	key.h        the header fields of a packet that rules look at
//	rules.h      finds the first rule that a packet fits
//	direction.h  one direction: the entry in force, numbers, backlogs, counters
//	fastpath.h   numbers, verdicts and counters of a frame that the kernel carries
//	label.h      keeps the priority, the mark and the time of frames that wait for the relay
//	layout.h     measures how many packets a frame is
//	walk.h       walks along the headers of a super-frame
//	network.h    the steps of a walk over IP headers
//	tunnel.h     the steps of a walk over the headers of tunnels
//	neighbour.h  knows ARP, neighbour discovery, IGMP and MLD
//	sample.h     takes a sample of what is sent, and sample.go asks for it
//
//	kern.go      Objects: the programs and maps of one device
//	load.go      loads the programs and maps
//	known.go     the stages that the programs carry out, and filters of either size
//	attach.go    attaches programs to the slave and to the interface
//	chain.go     OneSided: programs of others that only one path meets
//	clsact.go    attaches programs on kernels without tcx, and removes old filters
//	claim.go     Claims: replaces the table that owner.h reads
//	recall.go    turns on what recall.h remembers
//	direction.go Direction: opens and closes the fast path
//	rules.go     Rules: what rules.h knows of them
//	ruletable.go the tables in which rules.h looks
//	carry.go     Carry, Leave: the entries of rules
//	path.go      Path: the fast path of a device, and why there is none
//	counts.go    Counts: counts packets by what the kernel did to them
//	backlog.go   Backlog: counts the frames that wait for the relay
//	label.go     Labels: finds the priority, the mark and the time of a frame again
//	inflight.go  waits for the frames between the slave and the interface
//	barrier.go   waits until one CPU has finished its softirq
//	steer.go     keeps the frames in the daemon's queue of the TAP
//	memory.go    the memory that the programs and this process share, and memos of chains
//	handover.go  takes loaded programs along when the process executes its program again
//	features.go  Probe: what a kernel has, without a device
//	refused.go   tells a user why the kernel refuses eBPF
//
// The files kern_bpfel.go and kern_bpfeb.go are generated from the C, for CPUs of
// either byte order.
//
// README.md of this package lists the hooks of the kernel at which others work on frames,
// and what happens there on either path.
//
// The receive filter decides once for each received frame who owns it. The fast path
// relays or drops frames of either direction whose bytes need no change. It leaves
// the other frames to the relay: a frame that it cannot parse, a super-frame whose
// packets have different verdicts, and every frame that would overtake one of these.
//
// File descriptors hold all programs and maps, so they go with the process. Kernels
// without tcx (before 6.6) are an exception: there a filter, and perhaps a clsact
// qdisc, stay on the slave if the daemon is killed. They do nothing without the
// packet socket of the daemon, and the next daemon that takes frames removes them.
//
// The filter of the packet socket passes its decision to the program at ingress in
// memory of the CPU that receives the frame. On kernels with real-time preemption
// that CPU may receive another frame between the two programs; the first frame may
// then be lost, or reach both the device and the stack.
package kern

import (
	"sync"

	"github.com/cilium/ebpf"
)

// Two spilled values share no slot of the stack: without CAP_PERFMON Linux 6.1 refuses to
// overwrite one of eight bytes with one of four.
//go:generate go tool bpf2go -target bpfel,bpfeb kern insane.c -- -O2 -mcpu=v3 -mllvm -no-stack-slot-sharing -Wall -Werror

// Objects are the loaded programs and maps of one device. They are safe for concurrent
// use.
type Objects struct {
	device  string
	bpf     kernObjects
	dummy   *ebpf.Map // an inner map of the claims, for synchronize
	steer   *ebpf.Program
	memory  *memory
	knows   known // the stages that the programs carry out
	ids     [chains]ebpf.ProgramID
	tx, rx  *Direction
	barrier *cpuBarrier

	mu     sync.Mutex // guards the fields below
	swept  bool       // whether sweep has removed the filters of earlier daemons
	ready  prepared   // its table is nil if none is prepared
	closed bool

	versions uint64 // how often the claims have been replaced
}

// Open loads the programs and maps. The programs take no frame before they are
// attached, claims are set and the watchdog is kicked. device is the name of the
// device; filters that an earlier daemon of this name has left are removed by it. An
// error wraps ErrRights or ErrUnsupported if one of these is the cause.
func Open(device string) (*Objects, error) {
	raiseMemoryLimit()
	o := &Objects{device: device}
	if err := o.load(); err != nil {
		o.dummy.Close()
		o.steer.Close()
		o.bpf.Close()
		return nil, explain("load the eBPF programs", err)
	}
	o.barrier = newCPUBarrier(o.synchronize)
	o.tx, o.rx = newDirection(o, tx), newDirection(o, rx)
	return o, nil
}

// Close closes the programs and maps. Programs stay attached until the closers of the
// Attach methods are closed. The counters of the directions can still be read.
func (o *Objects) Close() error {
	o.barrier.close()
	o.dummy.Close()
	o.mu.Lock()
	o.closed = true
	o.ready.table.Close()
	o.mu.Unlock()
	o.steer.Close()
	return o.bpf.Close()
}

// TX is the direction from the host to the slave.
func (o *Objects) TX() *Direction { return o.tx }

// RX is the direction from the slave to the host.
func (o *Objects) RX() *Direction { return o.rx }

// Enter returns the descriptor of the socket filter for the TAP queue of the
// interface. It counts each frame into the backlog of the queue.
func (o *Objects) Enter() int { return o.bpf.TransmitEnter.FD() }

// Leave returns the descriptor of a socket filter for the TAP queue of an interface without
// a fast path. It accepts every frame, and remembers that it left through the device.
func (o *Objects) Leave() int { return o.bpf.TransmitRelay.FD() }

// Steer returns the descriptor of the program that chooses the queue of the interface: the
// daemon's own, also when another program has opened a further one.
func (o *Objects) Steer() int { return o.steer.FD() }

// None returns the descriptor of a socket filter for the slave's packet socket. The
// socket gets copies of ARP replies and neighbour discovery; the stack keeps every
// frame.
func (o *Objects) None() int { return o.bpf.ReceiveNone.FD() }

// Auto returns the descriptor of a socket filter for the slave's packet socket. It
// takes the frames that the claims give to the device.
func (o *Objects) Auto() int { return o.bpf.ReceiveAuto.FD() }

// All returns the descriptor of a socket filter for the slave's packet socket. It
// takes every frame.
func (o *Objects) All() int { return o.bpf.ReceiveAll.FD() }
