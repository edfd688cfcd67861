package labtest

import (
	"os"
	"testing"
)

// NeedRoot must be the first call of every test that needs root. The environment variable
// INSANE_ROOT decides what it does:
//
//	1      the test fails unless it runs as root
//	0      the test is skipped, also as root
//	unset  the test is skipped unless it runs as root
func NeedRoot(t testing.TB) {
	t.Helper()
	promise, root := os.Getenv("INSANE_ROOT"), os.Geteuid() == 0
	switch {
	case promise == "0":
		t.Skip("INSANE_ROOT=0: tests that need root do not run")
	case root:
	case promise == "1":
		t.Fatal("INSANE_ROOT=1, but the tests do not run as root")
	default:
		t.Skip("needs root")
	}
}
