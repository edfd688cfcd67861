package kern

import (
	"io"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// programIDs returns the IDs of loaded programs, sorted.
func programIDs(t *testing.T, programs ...*ebpf.Program) (ids []ebpf.ProgramID) {
	t.Helper()
	for _, p := range programs {
		info, err := p.Info()
		must(t, err)
		id, _ := info.ID()
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// all returns the loaded programs of objects.
func all(b *kernPrograms) (list []*ebpf.Program) {
	fields := reflect.ValueOf(b).Elem()
	for i := range fields.NumField() {
		if p, ok := fields.Field(i).Interface().(*ebpf.Program); ok && p != nil {
			list = append(list, p)
		}
	}
	return list
}

// Open takes over what HandOver has loaded: the same programs, which work, and no descriptor
// of them is left for programs that the process executes.
func TestHandOver(t *testing.T) {
	near, _ := newNamespace(t)
	must(t, probed())
	t.Setenv(handedOver, "")
	must(t, HandOver())
	var want []*ebpf.Program
	for _, p := range handing[len(handing)-1].Programs {
		want = append(want, p)
	}
	ids := programIDs(t, want...)
	drop(t, unix.CAP_SYS_ADMIN, unix.CAP_PERFMON)
	r := openObjects(t, hostClaims)
	if _, left := os.LookupEnv(handedOver); left {
		t.Error("the environment still has the descriptors")
	}
	have := all(&r.bpf.kernPrograms)
	if got := programIDs(t, have...); !slices.Equal(got, ids) {
		t.Errorf("the programs are %v, want %v", got, ids)
	}
	if tcx := hasTCX(t); (r.bpf.TransmitTcx != nil) != tcx || (r.bpf.TransmitClsact != nil) == tcx {
		t.Errorf("with tcx %t: %v and %v", tcx, r.bpf.TransmitTcx, r.bpf.TransmitClsact)
	}
	if spec, err := forThisMachine(); err != nil {
		t.Error(err)
	} else if knows, err := knownStages(spec); err != nil || r.knows != knows {
		t.Errorf("it knows %v, want %v (%v)", r.knows, knows, err)
	}
	for _, p := range have {
		if flags, err := unix.FcntlInt(uintptr(p.FD()), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%v: a program would inherit it (%v)", p, err)
		}
	}
	for _, a := range append(attachments(t), attachment{"transmit", func(o *Objects, index int) (io.Closer, error) {
		return o.attachTransmit(InterfaceOptions{Link: index, Clsact: true})
	}}) {
		closer, err := a.attach(r, near.Attrs().Index)
		must(t, err)
		must(t, closer.Close())
	}
	// Each is open once: Open has closed nothing that is open, and opens its own next time.
	must(t, r.Close())
	again := openObjects(t, hostClaims)
	if got := programIDs(t, again.bpf.ReceiveAuto); slices.Contains(ids, got[0]) {
		t.Error("a second Open has the same programs")
	}
}

// Objects that are handed over in part, or are of another kind, are closed and not taken.
func TestHandOverInPart(t *testing.T) {
	needRoot(t)
	table, err := newClaims()
	must(t, err)
	defer table.Close()
	for _, text := range []string{
		"", "receive_auto", "receive_auto=x", "receive_auto=-1", "receive_auto=1", "receive_auto=9999", "nothing=9999", "counts=9999",
		"receive_auto=FD", "counts=FD", "nothing=FD", "knows=x", "knows=7", "knows=7 counts=FD",
	} {
		fd, err := unix.Dup(table.FD())
		must(t, err)
		t.Setenv(handedOver, strings.ReplaceAll(text, "FD", strconv.Itoa(fd)))
		if o := new(Objects); o.takeOver() {
			t.Errorf("%q is taken", text)
		}
		if err := unix.Close(fd); strings.HasSuffix(text, "FD") != (err != nil) {
			t.Errorf("%q: the descriptor is closed: %t", text, err != nil)
		}
	}
	if _, err := os.Stdout.Stat(); err != nil {
		t.Errorf("standard output: %v", err)
	}
}
