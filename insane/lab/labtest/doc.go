// Package labtest has what tests that need the kernel share: the check for root, network
// namespaces and links, processes that run the test binary itself, and a lab with a device
// in it. Only tests import it; the tests of package lab import it from lab's external test
// package.
//
//	root.go       tests that need root
//	roles.go      the test binary as the helper processes of a test
//	namespace.go  a network namespace for a test, and links in it
//	lab.go        two hosts and a device that end with the test
//	cards.go      network cards that join the hosts, in place of a veth pair
//	confined.go   daemons that a service manager confines
//	device.go     the state and the counters of the device
//	link.go       links of a host
//	command.go    commands run in a host
//	wait.go       waits for conditions
package labtest
