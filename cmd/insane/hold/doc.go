// Package hold tests packets that wait: each leaves at its time or later, in the order that
// the policy says, as often and with as many wrong bits as it says, and what happens to it when
// something else happens meanwhile.
//
//	stream_test.go  numbered packets, and when each of them was sent and has arrived
//	check_test.go   how they arrived: whole, in order, not before their time
//	delay_test.go   constant delay; whole_test.go: nothing but that happens
//	jitter_test.go  delays that are drawn; spread_test.go: their distribution
//	rate_test.go    a link of a rate, and its queue; pace_test.go: what it carries in a second
//	change_test.go  copies, marks, later places; damage_test.go: flipped bits
//	event_test.go   the policy changes while packets are held
//	slave_test.go   the slave, the interface and the MTU change while packets are held
//	end_test.go     the daemon is ended or stopped while packets are held
//	memory_test.go  more packets than there is memory for
//	main_test.go    the commands under test
package hold
