// Package lease tests changes that end by themselves, and the log of changes, with the commands
// as a user runs them.
//
//	time_test.go   each change ends when its time comes, whatever happens meanwhile
//	slave_test.go  the slave and the receive mode return, if they can
//	rules_test.go  the rules return
//	log_test.go    who has changed what
//	life_test.go   a device that ends by itself
//	main_test.go   the commands under test
package lease
