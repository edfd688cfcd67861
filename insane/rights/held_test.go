package rights

import (
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// Held names each capability that every daemon keeps, and no other.
func TestHeldNamesWhatIsNeeded(t *testing.T) {
	var named set
	for _, n := range names {
		named |= 1 << n.number
	}
	if named != needed {
		t.Errorf("named %#x, needed %#x", named, needed)
	}
}

// heldLess is a child that gives up one of its capabilities, if it has it.
func heldLess(check func(error, string)) {
	before, err := Held()
	check(err, "read what is held")
	has, err := getCapabilities()
	check(err, "read capabilities")
	has.effective &^= 1 << unix.CAP_NET_RAW
	check(has.apply(), "give up CAP_NET_RAW")
	want := slices.DeleteFunc(before, func(name string) bool { return name == "CAP_NET_RAW" })
	if held, err := Held(); err != nil || !slices.Equal(held, want) {
		check(fmt.Errorf("%q, want %q: %v", held, want, err), "read what is left")
	}
}

// Held names what the thread has at that moment.
func TestHeld(t *testing.T) { runChild(t, "heldless") }
