package kern

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// A daemon that gives up capabilities executes its program again. Programs that a process
// with CAP_PERFMON has loaded are faster: into others the kernel puts barriers against
// speculation, which double the cost of a decision. So the daemon loads them before, and
// hands them over to the program that follows, as descriptors.

// handedOver is the environment variable that names the descriptors: NAME=NUMBER, in words.
const handedOver = "INSANE_OBJECTS"

// handing holds what HandOver has loaded: the descriptors must stay open.
var handing []*ebpf.Collection

// HandOver loads the programs and maps for a process that is about to execute its program
// again, and sets an environment variable by which the first Open there finds them. After an
// error that Open loads them itself.
func HandOver() error {
	HandNothing()
	raiseMemoryLimit()
	spec, err := forThisMachine()
	if err != nil {
		return err
	}
	collection, err := ebpf.NewCollection(spec)
	if err != nil {
		return explain("load the eBPF programs", err)
	}
	handing = append(handing, collection)
	descriptors := make(map[string]int)
	for name, program := range collection.Programs {
		descriptors[name] = program.FD()
	}
	for name, table := range collection.Maps {
		descriptors[name] = table.FD()
	}
	var words []string
	for name, fd := range descriptors {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("hand over %s: %w", name, err)
		}
		words = append(words, name+"="+strconv.Itoa(fd))
	}
	return os.Setenv(handedOver, strings.Join(words, " "))
}

// HandNothing makes the next program load what it needs. The daemon must call it or HandOver:
// what the user of a program with file capabilities hands over is not to be trusted.
func HandNothing() { _ = os.Unsetenv(handedOver) }

// takeOver makes Objects of what HandOver has left for this process. It returns false if
// there is nothing, or not all of it; then nothing of it stays open.
func (o *Objects) takeOver(spec *ebpf.CollectionSpec) bool {
	text := os.Getenv(handedOver)
	if text == "" {
		return false
	}
	HandNothing()
	found := &ebpf.Collection{Programs: make(map[string]*ebpf.Program), Maps: make(map[string]*ebpf.Map)}
	defer found.Close() // closes the objects that Assign has not taken
	for _, word := range strings.Fields(text) {
		name, number, _ := strings.Cut(word, "=")
		fd, err := strconv.Atoi(number)
		if err != nil || fd <= 2 {
			return false
		}
		unix.CloseOnExec(fd)
		switch {
		case spec.Programs[name] != nil:
			found.Programs[name], err = ebpf.NewProgramFromFD(fd)
		case spec.Maps[name] != nil:
			found.Maps[name], err = ebpf.NewMapFromFD(fd)
		default:
			err = errors.Join(errors.New("no such object"), unix.Close(fd))
		}
		if err != nil {
			return false
		}
	}
	return found.Assign(&o.bpf.kernPrograms) == nil && found.Assign(&o.bpf.kernMaps) == nil
}
