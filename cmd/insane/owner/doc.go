// Package owner tests who gets a packet that arrives at the slave: the slave's
// addresses and the device's each have an owner, who answers, hears and is routed
// to, and the device follows whatever changes on the host.
//
//	owner_test.go    the hosts of these tests
//	witness_test.go  sockets that say through which link a packet came
//	census_test.go   each packet of many streams, counted by what became of it
//	change_test.go   random changes on the host
//	answer_test.go   questions and answers of ARP and neighbour discovery
//	arp_test.go      ARP; nd_test.go: neighbour discovery
//	group_test.go    broadcasts and multicast groups
//	route_test.go    hosts that are routed through the device
//	follow_test.go   a change on the host, and how soon it is followed
//	frame_test.go    every frame has one owner during random changes
//	session_test.go  ssh sessions and programs; ssh_test.go: server and clients
//	main_test.go     the commands under test
package owner
