package kern

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/policy"
)

// A daemon that gives up capabilities executes its program again. Programs that a process
// with CAP_PERFMON has loaded are faster: into others the kernel puts barriers against
// speculation, which double the cost of a decision. So the daemon loads them before, and
// hands them over to the program that follows, as descriptors.

// The new program does not read the compiled objects, which costs time and memory: what it needs
// of them is handed over, too.

// handedOver is the environment variable that names the descriptors: NAME=NUMBER, in words.
// The words of these names have the stages that the programs know instead, by direction.
const handedOver = "INSANE_OBJECTS"

var handedKnows = [directions]string{tx: "knows", rx: "received"}

// handing holds what HandOver has loaded: the descriptors must stay open.
var handing []*ebpf.Collection

// HandOver loads the programs and maps for a process that is about to execute its program
// again, and sets an environment variable by which the first Open there finds them. It leaves
// out a program that this kernel has no hook for. After an error that Open loads them itself.
func HandOver() error {
	handNothing()
	raiseMemoryLimit()
	spec, err := forThisMachine()
	if err != nil {
		return err
	}
	knows, err := knownStages(spec)
	if err != nil {
		return err
	}
	delete(spec.Programs, useless())
	collection, err := loadSideBySide(spec)
	if err != nil {
		return explain("load the eBPF programs", err)
	}
	handing = append(handing, collection)
	var words []string
	for direction, stages := range knows {
		words = append(words, handedKnows[direction]+"="+strconv.FormatUint(uint64(stages), 10))
	}
	for name := range fieldsOf(new(kernObjects)) {
		fd := -1
		if program := collection.Programs[name]; program != nil {
			fd = program.FD()
		} else if table := collection.Maps[name]; table != nil {
			fd = table.FD()
		} else {
			continue
		}
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("hand over %s: %w", name, err)
		}
		words = append(words, name+"="+strconv.Itoa(fd))
	}
	return os.Setenv(handedOver, strings.Join(words, " "))
}

// handNothing makes the next program load what it needs. HandOver calls it first:
// what the user of a program with file capabilities hands over is not to be trusted.
func handNothing() { _ = os.Unsetenv(handedOver) }

// fieldsOf returns the fields for the programs and maps of objects, by name.
func fieldsOf(b *kernObjects) map[string]reflect.Value {
	fields := make(map[string]reflect.Value)
	for _, part := range []any{&b.kernPrograms, &b.kernMaps} {
		v := reflect.ValueOf(part).Elem()
		for i := range v.NumField() {
			fields[v.Type().Field(i).Tag.Get("ebpf")] = v.Field(i)
		}
	}
	return fields
}

// takeOver makes Objects of what HandOver has left for this process. It returns false if
// there is nothing, or not all of it; then nothing of it stays open.
func (o *Objects) takeOver() bool {
	text := os.Getenv(handedOver)
	if text == "" {
		return false
	}
	handNothing()
	var taken kernObjects
	fields := fieldsOf(&taken)
	for _, word := range strings.Fields(text) {
		name, number, _ := strings.Cut(word, "=")
		var err error
		if direction := slices.Index(handedKnows[:], name); direction >= 0 {
			var knows uint64
			knows, err = strconv.ParseUint(number, 10, 64)
			o.knows[direction] = policy.Stages(knows)
		} else {
			err = takeOne(fields, name, number)
		}
		if err != nil {
			_ = taken.Close()
			return false
		}
	}
	if o.knows[tx] == 0 || o.knows[rx] == 0 || !complete(fields) {
		_ = taken.Close()
		return false
	}
	o.bpf = taken
	return true
}

// takeOne opens a program or map by the number of its descriptor, and removes it from the
// fields. After an error the descriptor is closed, if there was one.
func takeOne(fields map[string]reflect.Value, name, number string) error {
	fd, err := strconv.Atoi(number)
	if err != nil || fd <= 2 {
		return fmt.Errorf("take over %s: no descriptor", name)
	}
	unix.CloseOnExec(fd)
	field, ok := fields[name]
	if !ok {
		return errors.Join(fmt.Errorf("take over %s: no such object", name), unix.Close(fd))
	}
	var object any
	if field.Type() == reflect.TypeFor[*ebpf.Program]() {
		object, err = ebpf.NewProgramFromFD(fd)
	} else {
		object, err = ebpf.NewMapFromFD(fd)
	}
	if err != nil {
		return err
	}
	field.Set(reflect.ValueOf(object))
	delete(fields, name)
	return nil
}

// complete reports whether no field is left but those of programs that are not loaded.
func complete(left map[string]reflect.Value) bool {
	delete(left, useless())
	delete(left, kernProgReceiveAutoSmall)
	delete(left, kernProgReceiveAllSmall)
	return len(left) == 0
}
