package labtest

import (
	"testing"
	"time"
)

// Patience bounds every wait for something that has to happen. It is generous on
// purpose: a slow machine is no bug.
const Patience = 30 * time.Second

// Await polls until something is done that the kernel or the daemon does on its
// own time.
func Await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// Must fails the test on an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
