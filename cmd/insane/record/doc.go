// Package record has the tests of recordings: what is recorded is what came, what was decided,
// what was counted and what arrived, and recording changes none of that.
//
//	main_test.go    the roles
//	ledger_test.go  a recording in memory, and what it sums up to
//	whole_test.go   every packet of every fault, with its bytes
//	rules_test.go   packets of rules, and seeds with and without a recording
//	peer_test.go    recordings that nobody reads, that are killed, that are too many
package record
