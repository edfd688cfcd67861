// Package replay has the tests of replays on the wire: what was lost of a connection is lost again
// of the next one, in both directions, and who failed once fails again.
//
//	main_test.go    the roles
//	run_test.go     a device, recorded and replayed by the commands
//	tcp_test.go     transfers of TCP
//	quic_test.go    transfers of QUIC
//	change_test.go  what ends a replay, and what is refused
package replay
