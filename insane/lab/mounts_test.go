package lab

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// ownMounts is the variable that tells a process of inOwnMounts which test it runs.
const ownMounts = "INSANE_OWN_MOUNTS"

// inOwnMounts runs the test in a process with mounts of its own and an empty /run,
// and reports whether this is that process. Namespaces that others give a name to
// meanwhile (ip-netns(8)), and whatever else they mount, are not seen there.
func inOwnMounts(t *testing.T) bool {
	t.Helper()
	NeedRoot(t)
	if os.Getenv(ownMounts) == t.Name() {
		err := errors.Join(
			forgetNamespaces(),
			unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""), // as systemd leaves them
			unix.Mount("tmpfs", "/run", "tmpfs", 0, ""),
		)
		if err != nil {
			t.Fatal(err)
		}
		return true
	}
	runtime.LockOSThread() // Pdeathsig is about the thread
	defer runtime.UnlockOSThread()
	cmd := reexec(t, "-test.run=^"+t.Name()+"$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), ownMounts+"="+t.Name())
	cmd.SysProcAttr.Unshareflags = unix.CLONE_NEWNS // and nothing that others mount propagates
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	return false
}

// forgetNamespaces removes the names of namespaces from the mount namespace of the
// process, which nobody else is in. Otherwise the kernel would do so at a moment
// when others delete one (fs/namespace.c, __detach_mounts).
func forgetNamespaces() error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for mount := range strings.Lines(string(mounts)) {
		if strings.Contains(mount, " - nsfs ") {
			_ = unix.Unmount(strings.Fields(mount)[4], unix.MNT_DETACH) // or the kernel did
		}
	}
	return nil
}
