package labtest

import (
	"os"
	"testing"
)

// NeedRoot is called first by every test that needs root. The environment variable
// INSANE_ROOT decides what the test does:
//
//	1      it fails unless it runs as root
//	0      it is skipped, also as root
//	unset  it is skipped unless it runs as root
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
