// Package rules tests rules: that each packet gets the verdict of its rule, and what people
// use rules for.
//
//	wire_test.go    the packets that arrive are those that the engine relays
//	change_test.go  rules change while packets are on their way
//	story_test.go   faults from practice, with programs that everybody has
//	session_test.go the ssh session of the person who makes a change goes on
//	main_test.go    the commands under test
package rules
