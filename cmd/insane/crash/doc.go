// Package crash tests how the insane command ends: by signals, killed at any
// moment, and while it stands still, when the kernel must give the slave its
// frames back by itself. Nothing may be left behind.
//
//	crash_test.go          killed in any state, at random moments
//	signal_test.go         ended by signals
//	pair_test.go           two daemons for one name
//	leftover_test.go       what an earlier process has left
//	deadman_test.go        a daemon that stands still
//	deadman_slave_test.go  the slave changes meanwhile
//	deadman_sweep_test.go  leftovers on old kernels, and what others attach
//	main_test.go           the commands under test
package crash
