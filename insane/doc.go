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
// [Device.Run] works it. The files, in the order of a packet and then of a
// change:
//
//	relay.go    the way of a packet through one direction
//	counters.go    what became of it, counted so that the sums are right at any moment
//	control/    requests on the control socket, and its limits
//	set.go      a change: checked as a whole, then applied as a whole
//	slave.go    who can be the slave, and how it is attached
//	follow.go   the slave followed, lost and picked up again
//	receive.go  the receive modes; take.go: the frames that arrive, taken or left
//	claims.go   which of them are the device's, by the addresses and routes of the host
//	lease.go    the slave gets its frames back from a device that does not work
//	path.go     what the kernel carries and what the relay; view.go: who watches
//	routes.go   the destinations that lead through the device
//	device.go   goroutines, life and end; open.go: the parts in the kernel
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
// Who owns a frame that arrives is decided in the kernel (package kern), once for
// each frame; what is the device's goes the same way back. The fast path is the
// kernel's too: it carries every frame of which no byte has to change.
package insane
