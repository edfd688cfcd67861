// Package insane is the device: an interface that stands in front of another
// one, its slave, and relays what the host sends through it, minus the packets
// that a policy drops.
//
//	tx: host → insane ─ fast path ─────────────────────────────→ slave → wire
//	                  └ TAP queue → relay → packet socket ────↗
//	rx: wire → slave → receive filter, fast path ────────────────→ insane → host
//	                                 └ packet socket → relay → TAP ↗
//
// [Open] makes a device of the kernel's parts, [New] one of any two ports;
// [Device.Run] works it. The device wires packages that know nothing of it:
//
//	relay      one direction in user space
//	kern       the eBPF programs: receive filter and fast path
//	port       the two ends; host: questions to the host, and changes of it
//	observe    what of the host a device has to know; ownership: what of it is the device's
//	decide     what is wanted of the device
//	slave      the sockets on the NIC
//	control    requests on the control socket
//	watchdog   what becomes of the slave's frames when the daemon hangs
//
// Every change takes the same three steps, whoever asks for it: observe (all
// look-ups, without the lock of the device), decide (a pure function of what was
// asked for and what was seen), apply (the difference between what is wanted and
// what there is). A person's change looks at the host with the lock held, since the
// answer is the state that it leads to.
//
// The files. Each calls those below it, and none above it:
//
//	open.go       the device with its parts in the kernel
//	device.go     goroutines, life and end
//	reconcile.go  the loop that follows the host: events, ticks, passes
//	change.go     a change that a person asks for: checked, then applied, as a whole
//	apply.go      what is wanted, as far as it is not there yet
//	interface.go  what is wanted of the interface
//	slave.go      who can be the slave, and how it is attached
//	state.go      what the device shows of itself
//	path.go       the fast path
//	receive.go    the receive modes
//	seed.go       the seed of each direction
//	doc.go        this comment
//
// What holds everywhere:
//
//   - A verdict is about a packet, not about a frame. Every packet that is
//     offered takes the next number of its direction, and its verdict depends
//     on the seed, that number and the time alone.
//   - The counters of a direction balance whenever they are read.
//   - A change is carried out whole or not at all, between two batches.
//   - The kernel and the relay give a packet the same number and the same verdict,
//     and neither overtakes the other.
//   - Nothing outlives the process: interface, addresses, routes, the receive
//     filter and the memberships of the packet socket belong to file descriptors.
//     Only the file of the control socket can stay behind, and on old kernels a
//     filter that does nothing (package kern); the next start replaces them.
//
// Whose a frame is that arrives is decided in the kernel (package kern), once for
// each frame; what is the device's goes the same way back. The fast path is the
// kernel's too: it carries every frame of which no byte has to change.
package insane
