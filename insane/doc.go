// Package insane is the device: an interface in front of another interface, its slave. The
// device relays what the host sends through it, minus the packets that a policy drops.
//
//	tx: host → insane ─ fast path ─────────────────────────────→ slave → wire
//	                  └ TAP queue → relay → packet socket ────↗
//	rx: wire → slave → receive filter, fast path ────────────────→ insane → host
//	                                 └ packet socket → relay → TAP ↗
//
// [Open] makes a device with an interface and a slave in the kernel, [New] makes one of any
// two ports; [Device.Run] runs it. The device connects packages that do not import it;
// ARCHITECTURE.md lists them.
//
// Every change takes the same three steps, no matter where it comes from: observe (all
// look-ups, without the lock of the device), decide (a pure function of the request and of
// the observed state), apply (the difference between the wanted state and the present one).
// A change that a user asks for looks at the host while it holds the lock, because the
// answer is the state after the change.
//
// The files. Each file calls only files below it:
//
//	open.go       the device with its parts in the kernel
//	device.go     goroutines, life and end
//	reconcile.go  the loop that follows the host: events, ticks, passes
//	replay.go     a recording whose packets get the verdicts that they had
//	change.go     a change that a user asks for: checked, then applied as a whole
//	lease.go      changes that end by themselves
//	apply.go      applies the difference between the wanted state and the present one
//	interface.go  applies what is wanted of the interface itself
//	slave.go      attaches a slave, and replaces one by another
//	record.go     recordings of each packet
//	state.go      the state that the device reports
//	path.go       the fast path
//	receive.go    the receive modes
//	doc.go        this comment
//
// These rules hold everywhere:
//
//   - A verdict is about a packet, not about a frame. Every packet that is
//     offered takes the next number of its direction, and its verdict depends
//     on the seed, that number and the time alone. The messages by which
//     neighbours find each other have neither, unless a user asks for it.
//   - The counters of a direction balance whenever they are read.
//   - A change is carried out whole or not at all, between two batches.
//   - The kernel and the relay give a packet the same number and the same verdict,
//     and neither overtakes the other.
//   - Nothing outlives the process: interface, addresses, routes, the receive
//     filter and the memberships of the packet socket belong to file descriptors.
//     Only the file of the control socket can stay behind, and on old kernels a
//     filter that does nothing (package kern); the next start replaces them.
package insane
