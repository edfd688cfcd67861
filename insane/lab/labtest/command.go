package labtest

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab"
)

// Run runs a command in a host and returns both of its outputs. The test fails if the
// command does.
func Run(t testing.TB, h *lab.Host, name string, args ...string) string {
	t.Helper()
	out, err := h.Command(context.Background(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Fails runs a command in a host and returns its exit code and its output. The test fails
// if the command succeeds.
func Fails(t testing.TB, h *lab.Host, name string, args ...string) (code int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	text, err := h.Command(ctx, name, args...).CombinedOutput()
	exit, ok := err.(*exec.ExitError)
	if !ok {
		t.Fatalf("%s %s: want an exit status, got %v\n%s", name, strings.Join(args, " "), err, text)
	}
	return exit.ExitCode(), string(text)
}
