package testbed

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// Attached returns the programs that tcx runs at a link of the calling thread's namespace,
// by direction and name, and whether this kernel has tcx (Linux 6.6).
func Attached(index int) (programs []string, tcx bool, err error) {
	for _, at := range []ebpf.AttachType{ebpf.AttachTCXIngress, ebpf.AttachTCXEgress} {
		found, err := link.QueryPrograms(link.QueryOptions{Target: index, Attach: at})
		if errors.Is(err, unix.EINVAL) || errors.Is(err, ebpf.ErrNotSupported) {
			return nil, false, nil // an older kernel does not know the request
		}
		if errors.Is(err, unix.ENODEV) {
			return nil, true, nil // the link was deleted after it was listed
		}
		if err != nil {
			return nil, true, fmt.Errorf("query tcx: %w", err)
		}
		for _, p := range found.Programs {
			name, _, err := programInfo(p.ID)
			if err != nil {
				return nil, true, err
			}
			programs = append(programs, fmt.Sprintf("%s %s", at, name))
		}
	}
	return programs, true, nil
}

// HasTCX reports whether this kernel has tcx.
func HasTCX(t testing.TB) bool {
	t.Helper()
	const loopback = 1
	_, tcx, err := Attached(loopback)
	if err != nil {
		t.Fatal(err)
	}
	return tcx
}

// programInfo returns the name of a program and the maps that it uses.
func programInfo(id ebpf.ProgramID) (name string, maps []ebpf.MapID, err error) {
	p, err := ebpf.NewProgramFromID(id)
	if errors.Is(err, os.ErrNotExist) {
		return "gone", nil, nil // meanwhile
	}
	if err != nil {
		return "", nil, fmt.Errorf("open program %d: %w", id, err)
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return "", nil, fmt.Errorf("program %d: %w", id, err)
	}
	maps, _ = info.MapIDs()
	return info.Name, maps, nil
}

// bpfObjects are the programs and maps of devices in the whole system, with the names that
// /proc/PID/fdinfo gives them.
type bpfObjects map[string]bool

// mapNames are the names of the maps of a device, as insane/kern gives them.
var mapNames = []string{
	"claims", "counts", "directions", "drops", "entries", "flows", "handoffs", "inflights", "labels", "nothing", "recalls",
}

// ObjectsNow lists the programs and maps of devices. They belong to no namespace, so the
// list contains those of other tests that run at the same time. It does not contain a map
// that a program of another name uses, whatever the name of the map is.
func ObjectsNow(t testing.TB) bpfObjects {
	t.Helper()
	found := make(bpfObjects)
	for id := ebpf.MapID(0); ; {
		next, err := ebpf.MapGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if err != nil {
			t.Fatalf("list maps: %v", err)
		}
		id = next
		if slices.Contains(mapNames, mapName(t, id)) {
			found[mapObject(id)] = true
		}
	}
	for id := ebpf.ProgramID(0); ; {
		next, err := ebpf.ProgramGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			return found
		}
		if err != nil {
			t.Fatalf("list programs: %v", err)
		}
		id = next
		name, maps, err := programInfo(id)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "receive_") || strings.HasPrefix(name, "transmit_") {
			found[programObject(id)] = true
			continue
		}
		for _, id := range maps {
			delete(found, mapObject(id))
		}
	}
}

func mapObject(id ebpf.MapID) string { return fmt.Sprint("map_id ", id) }

func programObject(id ebpf.ProgramID) string { return fmt.Sprint("prog_id ", id) }

func mapName(t testing.TB, id ebpf.MapID) string {
	t.Helper()
	m, err := ebpf.NewMapFromID(id)
	if errors.Is(err, os.ErrNotExist) {
		return "gone"
	}
	if err != nil {
		t.Fatalf("open map %d: %v", id, err)
	}
	defer m.Close()
	info, err := m.Info()
	if err != nil {
		t.Fatalf("map %d: %v", id, err)
	}
	return info.Name
}

// NoOrphans fails if there are programs or maps of devices that no process holds and that
// are not in before. The kernel frees them some time after their last user has ended. To look
// for holders takes much longer than to look for the objects, so that comes last.
func NoOrphans(t testing.TB, before bpfObjects) {
	t.Helper()
	suspects := ObjectsNow(t)
	for o := range before {
		delete(suspects, o)
	}
	const patience = 3 * labtest.Patience // the kernel frees when it has nothing else to do
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		there := ObjectsNow(t)
		maps.DeleteFunc(suspects, func(o string, _ bool) bool { return !there[o] })
		if len(suspects) == 0 {
			return
		}
		held := heldObjects(t)
		maps.DeleteFunc(suspects, func(o string, _ bool) bool { return held[o] })
		if time.Now().After(deadline) {
			t.Fatalf("programs and maps of dead daemons are not freed, nobody has them open: %v", suspects)
		}
	}
}

// heldObjects returns the programs and maps of which some process has a descriptor
// (bpf_prog_show_fdinfo and bpf_map_show_fdinfo of kernel/bpf/syscall.c), and the maps that
// these programs use.
func heldObjects(t testing.TB) bpfObjects {
	t.Helper()
	held := make(bpfObjects)
	files, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if to, err := os.Readlink(file); err != nil || !strings.Contains(to, "bpf") {
			continue // something else, or closed, or the process has ended
		}
		text, _ := os.ReadFile(strings.Replace(file, "/fd/", "/fdinfo/", 1))
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(line, ":")
			id, err := strconv.Atoi(strings.TrimSpace(value))
			switch {
			case err != nil:
			case key == "map_id":
				held[mapObject(ebpf.MapID(id))] = true
			case key == "prog_id":
				held.holdProgram(t, ebpf.ProgramID(id))
			}
		}
	}
	return held
}

// holdProgram adds a program and the maps that it uses.
func (o bpfObjects) holdProgram(t testing.TB, id ebpf.ProgramID) {
	t.Helper()
	_, used, err := programInfo(id)
	if err != nil {
		t.Fatal(err)
	}
	o[programObject(id)] = true
	for _, id := range used {
		o[mapObject(id)] = true
	}
}
