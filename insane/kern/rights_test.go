package kern

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// probed makes package ebpf find out what the kernel can do, which it does once in a process: a
// thread without rights would find that it can do little.
var probed = sync.OnceValue(func() error {
	o, err := Open("insane")
	if err == nil {
		err = o.Close()
	}
	return err
})

// drop takes capabilities from the thread, which is never used again.
func drop(t *testing.T, capabilities ...int) {
	t.Helper()
	must(t, probed())
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	must(t, unix.Capget(&header, &data[0]))
	for _, c := range capabilities {
		data[c/32].Effective &^= 1 << (c % 32)
	}
	must(t, unix.Capset(&header, &data[0]))
}

// Open without the rights fails and names the missing ones.
func TestOpenWithoutRights(t *testing.T) {
	for _, c := range []struct {
		what string
		lost []int
	}{
		{"CAP_BPF and CAP_SYS_ADMIN", []int{unix.CAP_BPF, unix.CAP_SYS_ADMIN}},
		{"CAP_NET_ADMIN and CAP_SYS_ADMIN", []int{unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN}},
	} {
		t.Run(c.what, func(t *testing.T) {
			needRoot(t)
			drop(t, c.lost...)
			r, err := Open("insane")
			if err == nil {
				r.Close()
			}
			if !errors.Is(err, ErrRights) || !strings.Contains(err.Error(), "CAP_BPF and CAP_NET_ADMIN") {
				t.Errorf("%v, want %v", err, ErrRights)
			}
		})
	}
}

// CAP_BPF and CAP_NET_ADMIN are enough, and so nothing more is asked for.
func TestRightsThatAreEnough(t *testing.T) {
	near, _ := newNamespace(t)
	drop(t, unix.CAP_SYS_ADMIN, unix.CAP_SYS_RESOURCE, unix.CAP_PERFMON, unix.CAP_NET_RAW)
	r, err := Open("insane")
	must(t, err)
	defer r.Close()
	must(t, r.Claim(hostClaims))
	r.RX().Kick(now() + forever)
	for _, a := range attachments(t) {
		closer, err := a.attach(r, near.Attrs().Index)
		if err != nil {
			t.Errorf("%s: %v", a.name, err)
			continue
		}
		must(t, closer.Close())
	}
}

// Attaching without the rights fails and leaves nothing behind. (A process that could
// load a program may always attach it to tcx.)
func TestAttachWithoutRights(t *testing.T) {
	near, _ := newNamespace(t)
	index := near.Attrs().Index
	r := openObjects(t, nil)
	drop(t, unix.CAP_NET_ADMIN, unix.CAP_BPF, unix.CAP_SYS_ADMIN)
	if closer, err := r.attachClsact(index); err == nil {
		closer.Close()
		t.Error("a filter was attached without CAP_NET_ADMIN")
	} else if !errors.Is(err, ErrRights) {
		t.Errorf("%v, want %v", err, ErrRights)
	}
	if state := tcState(t, index); len(state) > 0 {
		t.Errorf("left behind: %v", state)
	}
}

// Probe tells rights from features, and says the same as the device would find.
func TestProbe(t *testing.T) {
	needRoot(t)
	o, err := Open("insane")
	must(t, err)
	must(t, o.Close())
	if f := Probe(); f.EBPF != nil || f.TCX != nil && !errors.Is(f.TCX, ErrUnsupported) {
		t.Errorf("as root: %+v", f)
	}
	done := make(chan Features)
	go func() {
		drop(t, unix.CAP_BPF, unix.CAP_SYS_ADMIN)
		done <- Probe()
	}()
	if f := <-done; !errors.Is(f.EBPF, ErrRights) || !errors.Is(f.TCX, ErrRights) {
		t.Errorf("without CAP_BPF: %+v", f)
	}
}
