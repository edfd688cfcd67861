// Package slave tests the device and the interface below it: the device looks like its
// slave, follows it, and works on and below bridges, VLANs and other devices.
//
//	look_test.go              the properties that the device copies, and which slaves it refuses
//	loop_test.go              a device in front of itself, chains, rings
//	gone_test.go              the slave is deleted, exchanged, moved
//	rename_test.go            the slave gets another name
//	flap_test.go              the slave goes up and down
//	moved_test.go             the interface is moved to another namespace, or renamed
//	queue_test.go             somebody else opens the interface
//	counters_test.go          no counter falls meanwhile
//	mtu_test.go               its MTU changes
//	process_test.go           the resources that the process uses meanwhile
//	topology_bridge_test.go   bridges
//	topology_stack_test.go    a device on a device, on the loopback, beside others
//	topology_ipv6_test.go     IPv6 of two links with one MAC address
//	main_test.go              the commands under test
package slave
