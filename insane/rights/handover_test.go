package rights

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// leftName is the name of what the child leaves to itself.
const leftName = "INSANE_LEFT_IN_A_TEST"

// handed is a child that leaves a text to itself, and finds it when its program is executed
// again with fewer rights.
func handed(check func(error, string)) {
	want := strings.Repeat("text\xff\n", 100_000) // more than a pipe or the environment has room for
	text, ok, err := Take(leftName)
	check(err, "take over")
	again := os.Getenv(reducedName) != ""
	if ok != again || ok && text != want {
		check(fmt.Errorf("%d bytes, %t", len(text), ok), "executed again: "+strconv.FormatBool(again))
	}
	if _, ok, err = Take(leftName); ok || err != nil {
		check(fmt.Errorf("%t, %v", ok, err), "take over twice")
	}
	check(Reduce(Options{Before: func() error { return Leave(leftName, want) }}), "reduce the rights")
	if !again {
		check(fmt.Errorf("it was not"), "execute the program again")
	}
}

// A text that a process leaves to itself is there when it has executed its program again.
func TestLeave(t *testing.T) {
	runChild(t, "handed")
}

// unhanded is a child whose rights stay, because it could not leave what it had to.
func unhanded(check func(error, string)) {
	before, err := getCapabilities()
	check(err, "read capabilities")
	failed := fmt.Errorf("failed")
	if err := Reduce(Options{Before: func() error { return failed }}); err != failed {
		check(fmt.Errorf("%v, want %v", err, failed), "reduce the rights")
	}
	if after, err := getCapabilities(); err != nil || after != before || gainsNothing() {
		check(fmt.Errorf("capabilities %+v, were %+v: %v", after, before, err), "keep the rights")
	}
}

// A process that cannot leave something to itself keeps its rights, and is told.
func TestReduceAfterError(t *testing.T) {
	runChild(t, "unhanded")
}

// A program that was not executed by itself takes nothing: the variable is another one's.
func TestTakeOfOthers(t *testing.T) {
	for _, number := range []string{"", "0", "3", "x"} {
		t.Setenv(leftName, number)
		if text, ok, err := Take(leftName); ok || err != nil || text != "" {
			t.Errorf("%q: %q, %t, %v", number, text, ok, err)
		}
		if _, set := os.LookupEnv(leftName); set {
			t.Errorf("%q: the variable is still there", number)
		}
	}
	t.Setenv(reducedName, strconv.Itoa(os.Getpid()))
	for _, number := range []string{"0", "2", "-1", "x", "1048576"} {
		t.Setenv(leftName, number)
		if _, ok, err := Take(leftName); ok || err == nil {
			t.Errorf("%q: %t, %v; want an error", number, ok, err)
		}
	}
	if _, err := unix.FcntlInt(2, unix.F_GETFD, 0); err != nil {
		t.Errorf("standard error is closed: %v", err)
	}
}
