// Package control tests the interfaces through which a user controls the insane command:
// its control socket, the scripts of testdata/script, and the rights that it needs.
//
//	control_test.go  who may change a device
//	http_test.go     curl, refusals in JSON, metrics, readiness told to systemd
//	atomic_test.go   changes are carried out whole, in order and at once
//	abuse_test.go    clients that misbehave; abuses_test.go: in which ways
//	crowd_test.go    many connections of others
//	place_test.go    where the control socket is, and who can be in its way there
//	rights_test.go   a daemon without the right to load eBPF programs
//	name_test.go     names of any bytes, the same everywhere
//	netns_test.go    insanely in another network namespace than the device
//	message_test.go  what is said where something is missing or forbidden
//	inner_test.go    a daemon in a user namespace
//	kept_test.go     the rights that a daemon keeps
//	given_test.go    rules that a daemon is started with
//	script_test.go   the stories of testdata/script
//	race_test.go     what the race detector costs; norace_test.go: without it
//	main_test.go     the commands under test
package control
