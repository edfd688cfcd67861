package policy_test

import (
	"errors"
	"fmt"

	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/match"
)

func ExampleParse() {
	p, err := policy.Parse("time 50 1.5s percent 80%")
	fmt.Println(p, err)
	fmt.Println("mode:", p.Mode())
	fmt.Println("arguments:", p.Arguments())
	// Output:
	// percent 80 time 500ms 1.5s <nil>
	// mode: percent+time
	// arguments: 80 500ms 1.5s
}

func ExampleFieldError() {
	_, err := policy.Parse("time 500ms 1sec")
	var field *policy.FieldError
	if errors.As(err, &field) {
		fmt.Println(field.Field)
		fmt.Println(field.Value)
	}
	// Output:
	// time OFF
	// 1sec
}

// The same seed drops the same packets, always and everywhere.
func ExampleProgram_Decide() {
	p, err := policy.Parse("percent 80")
	if err != nil {
		fmt.Println(err)
		return
	}
	const epoch, seed = 0, 7
	prog := p.Compile(epoch, seed)
	for number := range uint64(20) {
		if prog.Decide(epoch, number).Lost() {
			fmt.Println("packet", number, "is dropped")
		}
	}
	// Output:
	// packet 4 is dropped
	// packet 8 is dropped
}

// A super-frame is forwarded in one piece where its packets cannot differ.
func ExampleProgram_Uniform() {
	for _, text := range []string{"pass", "time 1s 1s", "percent 99"} {
		p, err := policy.Parse(text)
		if err != nil {
			fmt.Println(err)
			return
		}
		prog := p.Compile(0, 1)
		fmt.Println(text, prog.Uniform(45))
	}
	// Output:
	// pass true
	// time 1s 1s true
	// percent 99 false
}

// Each direction of a device gets a seed of its own.
func ExampleSubseed() {
	p, err := policy.Parse("percent 50")
	if err != nil {
		fmt.Println(err)
		return
	}
	tx := p.Compile(0, policy.Subseed(7, 0))
	rx := p.Compile(0, policy.Subseed(7, 1))
	for number := range uint64(5) {
		fmt.Println(tx.Decide(0, number), rx.Decide(0, number))
	}
	// Output:
	// drop by percent relay
	// drop by percent drop by percent
	// drop by percent relay
	// relay relay
	// drop by percent relay
}

// The packets of a direction, each under the rule that it belongs to.
func ExampleRules_Compile() {
	rules, err := policy.ParseRules("dns: udp port 53 both every 2\nbig: greater 1400 tx percent 0\n", "rules")
	if err != nil {
		panic(err)
	}
	own, _ := policy.Parse("pass")
	ruleset := rules.Compile(policy.TX, policy.Compiling{Own: own, Seed: 7})
	numbers := make([]uint64, ruleset.Len()) // of the next packet of each rule

	dns := match.Key{
		EtherType: 0x0800, Has: match.HasIPv4 | match.HasDSCP | match.HasProtocol | match.HasPorts,
		Protocol: 17, SourcePort: 40000, DestinationPort: 53,
	}
	for _, packet := range []struct {
		key    match.Key
		length uint32
	}{{dns, 80}, {match.Key{}, 1514}, {dns, 80}, {match.Key{}, 60}} {
		rule := ruleset.Lookup(&packet.key, packet.length)
		fmt.Println(ruleset.Name(rule), ruleset.Program(rule).Decide(0, numbers[rule]))
		numbers[rule]++
	}
	// Output:
	// dns relay
	// big drop by percent
	// dns drop by every
	// default relay
}
