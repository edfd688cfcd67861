// Package path tests that the kernel's fast path and the relay together behave like one
// data plane: in numbers, verdicts, counters and order.
//
//	path_test.go    the share of packets that the relay has carried
//	record_test.go  which packets of a flow arrive
//	mix_test.go     both paths at once; train_test.go: small packets before large
//	number_test.go  numbers taken by several CPUs at once
//	slave_test.go   changes of the slave
//	stop_test.go    a stopped daemon
//	watch_test.go   the relay takes over for tcpdump and a qdisc, but not for a bridge
//	hook_test.go    what others do with frames at the hooks of the kernel happens on either path
//	label_test.go   priority and mark of packets; hash_test.go: the hash of a flow
//	main_test.go    the commands under test
package path
