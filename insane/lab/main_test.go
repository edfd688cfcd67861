package lab

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// The test binary is also the processes the tests need: its name for the role
// is the first argument, so that no environment has to be passed on.
var roles = map[string]func(args []string) error{
	"role-daemon": fakeDaemon,
	"role-holder": holdLab,
	"role-exec":   execLab,
	"role-mounts": shareMounts,
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if role, ok := roles[os.Args[1]]; ok {
			if err := role(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// needRoot skips a test that the user who runs it may not run. Where the whole
// suite is meant to run, INSANE_ROOT=1 makes that a failure.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("INSANE_ROOT") == "1" {
		t.Fatal("INSANE_ROOT=1 but not root")
	}
	t.Skip("makes network namespaces, which needs root")
}

// newLab makes a lab for the duration of the test, whose daemon is the fake one.
func newLab(t testing.TB, options Options) *Lab {
	t.Helper()
	needRoot(t)
	if options.Insane == nil {
		options.Insane = []string{"/proc/self/exe", "role-daemon"}
	}
	l, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close lab: %v", err)
		}
	})
	return l
}
