package policy_test

import (
	"errors"
	"fmt"

	"github.com/seed-39a139a1/insane/policy"
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
