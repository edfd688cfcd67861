// Package wire tests what becomes of each packet: it is relayed unchanged or
// dropped, as the policy says, counted, and nobody is told. Files that begin with
// receive_ look at packets that arrive, the others at packets that leave.
//
//	course_test.go            what both directions share
//	kernel_test.go            what the kernel's counters and ethtool say
//	percent_test.go           pass and percent
//	time_test.go              time
//	super_test.go             super-frames of UDP
//	tcp_test.go               streams of TCP
//	ether_test.go             frames that are not IP
//	garbage_test.go           frames that no stack would send
//	errno_test.go             what a sender can notice
//	overload_test.go          more packets than the device can carry
//	programs_test.go          ping and tcpdump
//	transfer_test.go          curl and iperf3
//	receive_wire_test.go      all of that in the other direction
//	receive_both_test.go      both directions at once
//	receive_errno_test.go     what a sender of the other host can notice
//	receive_mode_test.go      the receive mode none
//	receive_neighbour_test.go neighbour discovery
//	receive_overload_test.go  more packets than the device can carry
//	receive_tagged_test.go    VLAN tags
//	main_test.go              the commands under test
package wire
