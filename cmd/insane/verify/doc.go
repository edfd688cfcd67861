// Package verify tests that insanely verify says what a device does: nothing against one that does
// as it was asked, on both paths and in both directions, and each thing that is another one than it is
// told. A device does as it is asked, so for the second a proxy in front of its control socket tells
// verify of other policies than it has.
//
//	verify_test.go   devices that do as they were asked
//	lie_test.go      what verify is told of differs from what is done
//	report_test.go   the command: what it prints, when it ends, what it refuses
//	proxy_test.go    the proxy
//	traffic_test.go  the traffic that goes on meanwhile
//	main_test.go     the commands under test
package verify
