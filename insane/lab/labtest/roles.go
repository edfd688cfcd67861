package labtest

import (
	"fmt"
	"os"
	"testing"
)

// Roles are the helper processes of tests, by name. A test starts one as Self with the name
// as first argument, so it need not change the environment. The process exits with 0, or it
// prints an error and exits with 1.
type Roles map[string]func(args []string) error

// Self is the path of the running test binary.
const Self = "/proc/self/exe"

// Main is for TestMain. It plays the role that the first argument names, or else runs the
// tests. If the tests pass, it runs the checks; an error of a check makes the run fail.
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

// exit prints an error and exits with 1; without an error it exits with code.
func exit(err error, code int) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
