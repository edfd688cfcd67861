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
// Namespaces belong to threads. Everything here that enters one does so on a
// thread made for that purpose, which is destroyed afterwards and never handed
// back to the Go scheduler.
//
// Making a lab needs root: CAP_SYS_ADMIN for the namespaces and CAP_NET_ADMIN
// for what is put into them.
package lab
