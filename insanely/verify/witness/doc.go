// Package witness sees the frames of a device at its four ends, with sockets and programs of its
// own, and none of the device's code or counters:
//
//	HostSends    what the host sends into the interface: a tcx program in front of all others
//	SlaveSends   what leaves through the slave: a packet socket
//	SlaveHears   what arrives at the slave, whoever's it is: the same packet socket
//	HostHears    what the host receives from the interface: a tcx program behind all others
//
// The programs are where the fast path does not mind them (insane/kern/README.md), so the device is
// seen on the path that it has. A packet socket on the interface would make it step aside, and
// would not see what the fast path carries; it is used only where the kernel has no tcx (before
// Linux 6.6). Then the relay carries all that is sent while the witness watches, and SeesRelay says so.
//
// The programs change nothing of a frame and let it go on. Nothing is sent. Everything hangs on file
// descriptors, and goes with the process.
//
// It is neither in the device nor in package port: it must not share the code that it is to
// judge. That is why system calls are made here.
//
//	witness.go  Witness: all ends together
//	socket.go   packet sockets
//	program.go  the tcx programs, and how their reports are read
//	rights.go   errors that say which right is missing
package witness
