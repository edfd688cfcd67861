package lab

import "testing"

// Roles are the processes that the tests need beside themselves.
var Roles = map[string]func(args []string) error{
	"role-daemon": fakeDaemon,
	"role-holder": holdLab,
	"role-exec":   execLab,
	"role-mounts": shareMounts,
}

// NeedRoot and Await are those of package labtest.
var (
	NeedRoot func(t testing.TB)
	Await    func(t testing.TB, what string, done func() bool)
)

// newLab makes a lab for the duration of the test, whose daemon is the fake one.
func newLab(t testing.TB, options Options) *Lab {
	t.Helper()
	NeedRoot(t)
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
