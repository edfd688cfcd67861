// Package wire tests what happens to each packet: it is relayed unchanged or dropped,
// according to the policy, and counted, and no sender is notified. Files whose names begin
// with receive_ test packets that arrive, the others test packets that leave.
//
//	course_test.go            shared by both directions
//	kernel_test.go            what the kernel's counters and ethtool say
//	percent_test.go           pass and percent
//	losses_test.go            losses in a row, and those that are counted
//	time_test.go              time
//	neighbour_test.go         hosts look for each other while packets are lost
//	super_test.go             super-frames of UDP
//	tcp_test.go               streams of TCP
//	vxlan_test.go             super-frames of a VXLAN
//	tunnel_test.go            super-frames of other tunnels and of VLANs, valid ones and others
//	big_test.go               super-frames of more than 64 KiB
//	ether_test.go             frames that are not IP
//	garbage_test.go           frames that no network stack would send
//	errno_test.go             errors that a sender could see
//	overload_test.go          more packets than the device can carry
//	slow_test.go              a slave that is slow, or takes nothing
//	programs_test.go          ping and tcpdump
//	transfer_test.go          curl and iperf3
//	receive_wire_test.go      the same tests in the other direction
//	receive_both_test.go      both directions at once
//	receive_errno_test.go     errors that a sender of the other host could see
//	receive_mode_test.go      the receive mode none
//	receive_neighbour_test.go questions of ARP and neighbour discovery
//	receive_overload_test.go  more packets than the device can carry
//	receive_tagged_test.go    VLAN tags
//	main_test.go              the commands under test
package wire
