package labtest

import (
	"fmt"
	"os"
	"testing"
)

// Roles are the processes that tests need beside themselves, by name. A test
// starts one as Self with the name as first argument, so that no environment has
// to be passed on. Its process exits with 0, or with 1 after an error, which it
// prints.
type Roles map[string]func(args []string) error

// Self is the path under which a test finds its own binary.
const Self = "/proc/self/exe"

// Main is for TestMain: it plays the role that the first argument names, or else
// runs the tests. After tests that passed, further checks run; one that fails fails
// the run.
func (r Roles) Main(m *testing.M, checks ...func() error) {
	if len(os.Args) > 1 {
		if role, ok := r[os.Args[1]]; ok {
			exit(role(os.Args[2:]), 0)
		}
	}
	code := m.Run()
	for _, check := range checks {
		if err := check(); err != nil && code == 0 {
			exit(err, code)
		}
	}
	os.Exit(code)
}

// exit prints an error and exits with 1, or without one with code.
func exit(err error, code int) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
