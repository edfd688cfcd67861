// Package labtest is what tests share that need the kernel: the check for root,
// network namespaces and links, processes that are the test binary itself, and a
// lab with a device in it. Only tests import it; those inside package lab reach it
// by way of lab's external test package.
//
//	root.go       tests that need root
//	roles.go      the test binary as the processes that a test needs
//	namespace.go  a network namespace for a test, and links in it
//	lab.go        two hosts and a device that go with the test
//	device.go     the state and the counters of the device
//	link.go       links of a host
//	command.go    commands run in a host
//	wait.go       waiting for what must happen
package labtest
