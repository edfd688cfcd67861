// Package testbed has what the tests of the insane command share, besides package labtest:
// the commands themselves, a device whose every packet is known, and functions that change
// or check a host. Only tests import it.
//
// The cable is a veth pair. If the environment variable INSANE_CARDS names network cards
// (package labtest), it is one between two of them, and the same tests run over their
// drivers. Of these, .ci/drivers leaves out those that such cards cannot pass.
//
//	main.go      the test binary is the commands
//	testbed.go   a device between borea and morgana, and the start of a run
//	prepare.go   what the hosts know in advance, and settings of a host
//	course.go    the way of the packets: either direction
//	account.go   what the device's counters say of a run
//	flow.go      UDP packets that are numbered; super.go: super-frames of them
//	udp.go       the sockets under it; stamp.go: when packets arrive
//	tcp.go       a stream of TCP
//	raw.go       packet sockets; inject.go: frames sent into a link as they are
//	tunnel.go    tunnels of all kinds, and VLANs; encapsulate.go: the programs that make them
//	programs.go  ping, tcpdump and others, and what they print
//	counter.go   counters of a host's kernel
//	metrics.go   the metrics compared with the counters
//	path.go      the kernel's path and the relay's
//	instance.go  a daemon that may be ended at any moment
//	prober.go    packets sent all the time while something happens
//	traffic.go   traffic that nobody counts
//	cable.go     the slave exchanged, moved, renamed
//	guest.go     a further host, and bridges
//	state.go     all that a host has, to see that nothing was left
//	hook.go      programs, filters and chains that drop each frame
//	label.go     priority and mark of packets at a link; hash.go: the hash of a flow
//	bpf.go       programs and maps in the kernel
//	process.go   memory and descriptors of a daemon
//	race.go      how many packets are many; norace.go: without the race detector
package testbed
