// Package crash tests how the insane command ends: by signals, by SIGKILL at any moment,
// and while the daemon is stopped, when the kernel must give the frames back to the slave
// by itself. Nothing may be left behind.
//
//	crash_test.go          killed in any state, at random moments
//	signal_test.go         ended by signals
//	reader_test.go         nobody reads the log, or is told the state
//	pair_test.go           two daemons for one name
//	leftover_test.go       leftovers of an earlier process
//	deadman_test.go        a stopped daemon
//	deadman_slave_test.go  the slave changes meanwhile
//	deadman_sweep_test.go  leftovers on old kernels, and what others attach
//	main_test.go           the commands under test
package crash
