package control

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// TestNoTunDevice: without a usable /dev/net/tun the message names that file, and what to do.
func TestNoTunDevice(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	before := testbed.StateOf(t, l.Borea)
	for _, tt := range []struct{ prepare, says string }{
		{"true", "no such file or directory: load the kernel module (modprobe tun); in a container, start the container with --device /dev/net/tun"},
		{"touch /dev/net/tun", "inappropriate ioctl for device: it is another file: make it with mknod /dev/net/tun c 10 200"},
		{"mount -o remount,nodev none /dev/net && mknod /dev/net/tun c 10 200", "permission denied: its file system is mounted without devices (nodev)"},
		{"mknod /dev/net/tun c 240 77", "load its module (modprobe tun)"}, // a number that no driver has
	} {
		script := "mount -t tmpfs none /dev/net && " + tt.prepare + " && exec insane --socket @tun --slave eth0"
		code, out := labtest.Fails(t, l.Borea, "unshare", "--mount", "sh", "-c", script)
		if want := "insane: create interface insane: /dev/net/tun: "; code != 1 || !strings.HasPrefix(out, want) ||
			strings.Count(out, "\n") != 1 || !strings.Contains(out, tt.says) || strings.Contains(out, "needs root") {
			t.Errorf("%s: exit code %d, %swant 1, %s… %s", tt.prepare, code, out, want, tt.says)
		}
		testbed.SameState(t, l.Borea, before)
	}
}

// forbidBPF is the command that runs insane where a seccomp filter refuses bpf(), as in a
// container. The filter belongs to the thread, and exec keeps it.
const forbidBPF = "insane-without-bpf"

func runWithoutBPF() {
	runtime.LockOSThread()
	const number = 0 // offset of the system call's number in struct seccomp_data
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_BPF, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0x00050000 | uint32(unix.EPERM)}, // SECCOMP_RET_ERRNO
		{Code: unix.BPF_RET | unix.BPF_K, K: 0x7fff0000},                      // SECCOMP_RET_ALLOW
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
	path, lookErr := exec.LookPath("insane")
	if err == nil && lookErr == nil {
		err = syscall.Exec(path, append([]string{"insane"}, os.Args[1:]...), os.Environ())
	}
	fmt.Println(err, lookErr)
	os.Exit(125)
}

// TestSeccompForbidsBPF: who has all rights and may still not use bpf() hears that a seccomp
// filter forbids it, and not that rights are missing.
func TestSeccompForbidsBPF(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	for _, args := range [][]string{{"--receive", "auto", "--slave", "eth0"}, {"--path", "kernel", "--receive", "none"}} {
		code, out := labtest.Fails(t, l.Borea, forbidBPF, append(args, "--socket", "@seccomp")...)
		if code != 1 || strings.Count(out, "\n") != 1 || !strings.Contains(out, "a seccomp filter forbids bpf()") ||
			!strings.Contains(out, "seccomp=unconfined") || strings.Contains(out, "needs root") {
			t.Errorf("%q: exit code %d, %s", args, code, out)
		}
	}
}

// TestFewFiles: where the daemon may open too few files, the message says so, and not that the
// kernel or rights are at fault.
func TestFewFiles(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	for most := 8; most <= 24; most++ {
		files := strconv.Itoa(most)
		code, out := labtest.Fails(t, l.Borea, "prlimit", "--nofile="+files+":"+files, "insane",
			"--receive", "auto", "--slave", "eth0", "--socket", "@few")
		last := out[strings.LastIndex(strings.TrimSuffix(out, "\n"), "\n")+1:]
		if code != 1 || !strings.HasPrefix(last, "insane: ") || !strings.Contains(last, "too many open files") ||
			!strings.Contains(last, "ulimit -n") || strings.Contains(out, "this kernel cannot") {
			t.Errorf("%s files: exit code %d, %s", files, code, out)
		}
	}
}

// TestIPv6Disabled: an IPv6 address or route where IPv6 is off is refused with the setting
// that turns it on, and not as if rights were missing.
func TestIPv6Disabled(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	testbed.DisableIPv6(t, l, "default")
	for _, args := range [][]string{{"--address", "fd00:7::1/64"}, {"--route", "fd00:9::2"}} {
		code, out := labtest.Fails(t, l.Borea, "insane", append(args, "--slave", "eth0", "--socket", "@six")...)
		if code != 1 || !strings.Contains(out, args[1]) || strings.Contains(out, "needs root") ||
			!strings.Contains(out, "IPv6 is disabled on insane: set net.ipv6.conf.default.disable_ipv6 to 0") {
			t.Errorf("%q: exit code %d, %s", args, code, out)
		}
	}
	labtest.StartDaemon(t, l, "--slave", "eth0", "--address", "10.8.0.1/24") // IPv4 alone works
}

// TestReadOnlyRun: where the file of the control socket cannot be made, the message says how
// to do without.
func TestReadOnlyRun(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	for _, script := range []string{
		"mount -t tmpfs -o ro none /run && exec insane --slave eth0",
		"mount -t tmpfs none /run && mkdir /run/insane && mount -o remount,ro /run && exec insane --slave eth0",
	} {
		code, out := labtest.Fails(t, l.Borea, "unshare", "--mount", "sh", "-c", script)
		if code != 1 || strings.Count(out, "\n") != 1 || !strings.Contains(out, "/run/insane") ||
			!strings.Contains(out, "read-only file system") || !strings.Contains(out, "--socket @NAME needs no ") {
			t.Errorf("%s: exit code %d, %s", script, code, out)
		}
	}
}

// TestLabListsNoDirectory: in the lab the socket comes from the environment, and so does the
// message that there is no directory.
func TestLabListsNoDirectory(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0")
	c := d.Command(t.Context(), "insanely", "list")
	out, err := c.CombinedOutput()
	if want := "insanely: INSANE_SOCKET \"" + d.Socket + "\": there is no directory to list\n"; err == nil || string(out) != want {
		t.Errorf("%v, %s, want %s", err, out, want)
	}
}
