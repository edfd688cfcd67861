// Package lab makes two hosts on one machine, joined by one cable, to show, test or measure
// an insane device without touching the real network:
//
//	 borea                                         morgana
//	┌──────────────────────────┐                 ┌──────────────────────────┐
//	│ insane ┄┄┐               │                 │                          │
//	│         eth0  10.9.0.1   ├─── veth pair ───┤ eth0  10.9.0.2  10.9.0.4 │
//	│               fd00:9::1  │                 │  fd00:9::2    fd00:9::4  │
//	└──────────────────────────┘                 └──────────────────────────┘
//
// A host is an anonymous network namespace. It has no name in /run/netns; only a file
// descriptor holds it, so it ends with the process, no matter how the process ends. The
// veth pair, the addresses and the daemon's abstract control socket are inside the
// namespaces and end with them. No file is ever made. The kernel kills the processes of a
// host when this process dies. Close kills the background processes that those have left,
// but a kill -9 of this process does not.
//
// The files:
//
//	lab.go       a lab, its addresses and its end
//	host.go      a host: its namespace, and functions that run inside; thread.go: threads for them
//	cable.go     the veth pair; cards.go: network cards instead of it; sysctl.go: settings that keep a host quiet
//	command.go   processes in a host; private.go: the names and files that they see
//	daemon.go    the device in borea; tail.go: the end of its output
//	evict.go     kills processes that were left in the background
//	exec.go      one command in a lab of its own; terminal.go: on this terminal
//	story.go     the guided tour; tour.go: measures and shows one stop of it
//	stop.go      the stops and their policies
//	measurement.go  a probe's result beside the device's counters
//	expect.go    what a policy allows a measurement to show: of losses and of a delay,
//	             cycle.go: of one that relays and drops in turn, link.go: of a rate,
//	             damage.go: of flipped bits
//	print.go     numbers and rows for users; words.go: the longer texts
//
// Package probe sends the packets that are measured, and labtest is for tests.
//
// Namespaces belong to threads. Every function of this package that enters a namespace does
// so on a thread that was made for it. The thread is destroyed afterwards, and never
// returned to the Go scheduler.
//
// To make a lab, a process must be root: it needs CAP_SYS_ADMIN for the namespaces and
// CAP_NET_ADMIN for the links in them.
package lab
