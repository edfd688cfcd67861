package cli

import (
	"errors"
	"fmt"
	"testing"
)

// The status shows the kind of the error, even if the error is wrapped several times.
func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, exitOK},
		{errors.New("anything"), exitFailed},
		{usagef("bad"), exitUsage},
		{fmt.Errorf("wrapped: %w", usagef("bad")), exitUsage},
		{statusError(7), 7},
		{fmt.Errorf("wrapped: %w", statusError(130)), 130},
		{errors.Join(errors.New("anything"), usagef("bad")), exitUsage},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
}

// An error with two causes still has one line.
func TestOneLine(t *testing.T) {
	if got := oneLine(errors.Join(errors.New("one"), errors.New("two"))); got != "one; two" {
		t.Errorf("%q", got)
	}
}
