package lab

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// The test binary is also the processes the tests need: its name for the role
// is the first argument, so that no environment has to be passed on.
var roles = map[string]func(args []string) error{
	"role-daemon": fakeDaemon,
	"role-holder": holdLab,
	"role-exec":   execLab,
	"role-mounts": shareMounts,
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if role, ok := roles[os.Args[1]]; ok {
			if err := role(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// needRoot skips a test that the user who runs it may not run. Where the whole
// suite is meant to run, INSANE_ROOT=1 makes that a failure.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("INSANE_ROOT") == "1" {
		t.Fatal("INSANE_ROOT=1 but not root")
	}
	t.Skip("makes network namespaces, which needs root")
}

const ownMounts = "INSANE_OWN_MOUNTS"

// inOwnMounts runs the test in a process with mounts of its own and an empty /run,
// and reports whether this is that process. Namespaces that others give a name to
// meanwhile (ip-netns(8)), and whatever else they mount, are not seen there.
func inOwnMounts(t *testing.T) bool {
	t.Helper()
	needRoot(t)
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

// newLab makes a lab for the duration of the test, whose daemon is the fake one.
func newLab(t testing.TB, options Options) *Lab {
	t.Helper()
	needRoot(t)
	if options.Insane == nil {
		options.Insane = []string{"/proc/self/exe", "role-daemon"}
	}
	l, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close lab: %v", err)
		}
	})
	return l
}
