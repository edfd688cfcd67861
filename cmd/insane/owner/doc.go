// Package owner tests which stack gets a packet that arrives at the slave. Each address of
// the slave and of the device has one owner: it answers for the address, receives its
// packets, and is used for routing. The device follows all changes on the host.
//
//	owner_test.go    the hosts of these tests
//	witness_test.go  sockets that report through which link a packet came
//	census_test.go   many streams, and what happened to each of their packets
//	change_test.go   random changes on the host
//	answer_test.go   questions and answers of ARP and neighbour discovery
//	arp_test.go      ARP; nd_test.go: neighbour discovery
//	silence_test.go  nothing comes back, and why
//	group_test.go    broadcasts and multicast groups
//	route_test.go    hosts that are routed through the device
//	many_test.go     tens of thousands of routes
//	given_test.go    routes and addresses that were asked for at the start
//	gateway_test.go  gateways that change or name a better one, and routes past the device
//	bound_test.go    sockets that are bound to the slave or to the device
//	server_test.go   servers that are bound to the slave or to the device
//	dhcp_test.go     clients of DHCP on the slave and on the device
//	rule_test.go     packets that rules or sockets send through the device
//	proxy_test.go    proxy ARP, and the settings that the device shares with its slave
//	follow_test.go   a change on the host, and how soon the device follows
//	frame_test.go    every frame has one owner during random changes
//	session_test.go  ssh sessions and programs; ssh_test.go: server and clients
//	main_test.go     the commands under test
package owner
