// Package path tests that the kernel's fast path and the relay are one device:
// together they number, drop, count and order packets as one of them would.
//
//	path_test.go    what share the relay has carried
//	record_test.go  what arrives of a flow
//	mix_test.go     both paths at once; train_test.go: small packets before large
//	number_test.go  numbers given by several processors at once
//	slave_test.go   changes of the slave
//	stop_test.go    the daemon stands still
//	watch_test.go   the fast path steps aside for tcpdump, a qdisc and a bridge
//	main_test.go    the commands under test
package path
