// Package lab is two hosts on one machine, joined by one cable, for whoever
// wants to see, test or measure an insane device without touching the real
// network:
//
//	 borea                                         morgana
//	┌──────────────────────────┐                 ┌──────────────────────────┐
//	│ insane ┄┄┐               │                 │                          │
//	│         eth0  10.9.0.1   ├─── veth pair ───┤ eth0  10.9.0.2  10.9.0.4 │
//	│               fd00:9::1  │                 │  fd00:9::2    fd00:9::4  │
//	└──────────────────────────┘                 └──────────────────────────┘
//
// A host is an anonymous network namespace. It has no name in /run/netns and
// is held by a file descriptor alone, so it goes when the process goes, however
// the process goes; the veth pair, the addresses and the daemon's abstract
// control socket live inside and go with it. No file is ever made. Processes
// started in a host are killed by the kernel when this one dies; what they in
// turn left in the background is killed by Close, but not by a kill -9.
//
// The files:
//
//	lab.go       a lab, its addresses and its end
//	host.go      a host: its namespace, and functions run inside of it; thread.go: on a thread
//	cable.go     the veth pair; sysctl.go: a host that is quiet
//	command.go   processes in a host; private.go: names and files that they see
//	daemon.go    the device in borea; tail.go: the end of what it wrote
//	evict.go     processes left in the background, killed
//	exec.go      one command in a lab of its own; terminal.go: on this terminal
//	story.go     the guided tour; tour.go: one stop of it, measured and shown
//	stop.go      the stops, what they ask for and what they allow
//	measurement.go  a probe's result beside the device's counters
//	cycle.go     a policy that goes on and off, seen in a result
//	print.go     numbers and rows for people; words.go: the longer texts
//
// Package probe sends the packets that are measured, and labtest is for tests.
//
// Namespaces belong to threads. Everything here that enters one does so on a
// thread made for that purpose, which is destroyed afterwards and never handed
// back to the Go scheduler.
//
// Making a lab needs root: CAP_SYS_ADMIN for the namespaces and CAP_NET_ADMIN
// for what is put into them.
package lab
