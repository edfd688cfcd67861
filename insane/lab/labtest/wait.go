package labtest

import (
	"testing"
	"time"
)

// Patience is the longest wait for a condition. It is long on purpose: a slow machine must
// not fail a test.
const Patience = 30 * time.Second

// Await polls until done returns true. The test fails after Patience.
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
