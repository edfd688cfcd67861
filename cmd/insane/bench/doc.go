// Package bench measures the insane command: its speed compared with the bare cable, a
// naive relay and tc netem, and how much it slows other traffic down. It has benchmarks and
// no tests; `make bench` and `make bench-netem` run them.
//
//	bench_test.go      the ways between borea and morgana that are compared
//	naive_test.go      the naive relay
//	tcp_test.go        throughput of TCP
//	packets_test.go    round trips, and packets per second
//	bystander_test.go  traffic on the slave that is not the device's
//	footprint_test.go  memory and processor time of a device at rest, and memory of one that holds
//	hold_test.go       the same through policies that make packets wait
//	late_test.go       how much later than their delay packets arrive
//	rules_test.go      through rules, few and many
//	netem_test.go      the same faults by tc netem and by the device
//	main_test.go       the commands under test
package bench
