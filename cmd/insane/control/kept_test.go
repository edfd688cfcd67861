package control

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// keptRights are the capabilities that a daemon keeps of those of root, as a set of bits
// (capabilities(7)).
const keptRights = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW | 1<<unix.CAP_BPF

// kept are the capabilities that a daemon keeps which this process starts. Where it cannot raise
// RLIMIT_RTPRIO, it keeps CAP_SYS_NICE.
func kept(t *testing.T) uint64 {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_RTPRIO, &limit); err != nil {
		t.Fatal(err)
	}
	own := capabilitiesOf(t, "/proc/thread-self/status", "CapPrm")
	if limit.Max > 0 || own&(1<<unix.CAP_SYS_RESOURCE) != 0 {
		return keptRights
	}
	return keptRights | own&(1<<unix.CAP_SYS_NICE)
}

// capabilitiesOf reads a set of capabilities of a thread.
func capabilitiesOf(t *testing.T, path, name string) uint64 {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^` + name + `:\s*(\S+)$`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s has no %s:\n%s", path, name, text)
	}
	set, err := strconv.ParseUint(string(found[1]), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// checkKept fails unless every thread of a process has exactly these capabilities, can gain
// none, and has a filter of system calls (proc(5), status). It returns the number of
// threads.
func checkKept(t *testing.T, pid int, want uint64) (threads int) {
	t.Helper()
	for _, path := range testbed.Threads(t, pid) {
		text, err := os.ReadFile(path + "/status")
		if err != nil {
			continue // the thread has ended
		}
		threads++
		field := func(name string) string {
			found := regexp.MustCompile(`(?m)^` + name + `:\s*(\S+)$`).FindSubmatch(text)
			if found == nil {
				t.Fatalf("%s has no %s:\n%s", path, name, text)
			}
			return string(found[1])
		}
		for _, name := range []string{"CapPrm", "CapEff", "CapInh", "CapAmb", "CapBnd"} {
			have, err := strconv.ParseUint(field(name), 16, 64)
			if err != nil || have != want {
				t.Errorf("%s: %s is %#x, want %#x (%v)", path, name, have, want, err)
			}
		}
		if field("NoNewPrivs") != "1" || field("Seccomp") != "2" {
			t.Errorf("%s: NoNewPrivs %s, Seccomp %s; want 1 and 2", path, field("NoNewPrivs"), field("Seccomp"))
		}
	}
	return threads
}

// TestRealTime: while packets wait, a thread of the daemon comes before all ordinary ones, if the
// rights allow that in any way; and none does once no policy makes packets wait.
func TestRealTime(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, testbed.Furnished...)
	urgent := func() (n int) {
		for _, path := range testbed.Threads(t, d.PID()) {
			id, err := strconv.Atoi(filepath.Base(path))
			if err != nil {
				t.Fatal(err)
			}
			if attr, err := unix.SchedGetAttr(id, 0); err == nil && attr.Policy == unix.SCHED_FIFO && attr.Priority == 1 {
				n++
			}
		}
		return n
	}
	own := capabilitiesOf(t, "/proc/thread-self/status", "CapPrm")
	if own&(1<<unix.CAP_SYS_NICE|1<<unix.CAP_SYS_RESOURCE) == 0 {
		t.Fatal("wants CAP_SYS_NICE or CAP_SYS_RESOURCE")
	}
	for text, want := range map[string]bool{"delay 1ms": true, "percent 50": false, "rate 1gbit": true, "pass": false} {
		labtest.Set(t, d, api.Change{TX: &text})
		labtest.Await(t, "the priority with "+text, func() bool { return urgent() > 0 == want })
	}
}

// checkHandedOver fails unless the process has the eBPF programs that it loaded while it had
// all rights. Those that it would load later are slower.
func checkHandedOver(t *testing.T, pid int) {
	t.Helper()
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	labtest.Must(t, err)
	found := regexp.MustCompile(`(?:\x00|^)INSANE_OBJECTS=[^\x00]*\breceive_auto=(\d+)`).FindSubmatch(environment)
	if found == nil {
		t.Fatalf("nothing was handed over: %q", environment)
	}
	what, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, found[1]))
	if err != nil || !strings.Contains(what, "bpf-prog") {
		t.Errorf("descriptor %s of the daemon is %s (%v)", found[1], what, err)
	}
}

// TestKeepsFewRights: a daemon that root starts keeps no more rights than it needs, in every
// thread, and with these it follows changes of every kind: another slave and back, each
// receive mode, a slave that is deleted, an interface that is set down.
func TestKeepsFewRights(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	testbed.SecondSubnet(t, l)
	before, objects := testbed.StateOf(t, l.Borea), testbed.ObjectsNow(t)
	d := labtest.StartDaemon(t, l, append([]string{"--route", "10.9.0.4/32"}, testbed.Furnished...)...)
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", d.PID()))
	if err != nil || string(name) != "insane\n" {
		t.Errorf("the process is called %q (%v)", name, err)
	}
	checkKept(t, d.PID(), kept(t))
	checkHandedOver(t, d.PID())
	for _, mode := range []string{api.ReceiveNone, api.ReceiveAll, api.ReceiveAuto} {
		if i := labtest.Set(t, d, api.Change{Receive: &mode}); i.Receive != mode {
			t.Errorf("asked for receive %s, got %s", mode, i.Receive)
		}
	}
	labtest.Run(t, l.Borea, "ip", "link", "add", "eth9", "up", "type", "veth", "peer", "name", "peer9")
	labtest.Run(t, l.Borea, "ip", "link", "set", "peer9", "up")
	for _, slave := range []string{"eth9", lab.Link} {
		if i := labtest.Set(t, d, api.Change{Slave: &slave}); i.Slave != slave || i.SlaveState != api.SlaveUp {
			t.Errorf("asked for slave %s, got %s, which is %s", slave, i.Slave, i.SlaveState)
		}
	}
	labtest.Run(t, l.Borea, "ip", "link", "set", "insane", "down")
	labtest.Run(t, l.Borea, "ip", "link", "set", "insane", "up")
	labtest.Await(t, "the route to be restored", func() bool {
		return strings.Contains(labtest.Run(t, l.Borea, "ip", "route", "show", "10.9.0.4"), "dev insane")
	})
	testbed.KnowBorea(t, l, "10.9.0.3")
	testbed.NewProber(t, l, "10.9.0.4", "10.9.0.3").AwaitNow(t, testbed.Device)
	if threads := checkKept(t, d.PID(), kept(t)); threads < 4 {
		t.Errorf("only %d threads were looked at", threads)
	}
	labtest.Run(t, l.Borea, "ip", "link", "del", "eth9")
	if err := d.Stop(); err != nil {
		t.Error(err)
	}
	if log := d.Logs(); regexp.MustCompile(`level=ERROR|keeps all its capabilities|any system call`).MatchString(log) {
		t.Errorf("the daemon complains:\n%s", log)
	}
	testbed.SameState(t, l.Borea, before)
	testbed.NoOrphans(t, objects)
}

// TestKeepsOverride: where only root's override of file permissions lets a daemon make its
// control socket, it keeps that as well, and removes the socket in the end.
func TestKeepsOverride(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	directory := filepath.Join(t.TempDir(), "read-only")
	if err := os.Mkdir(directory, 0o500); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(directory, "insane.sock")
	i := testbed.Start(t, l, socket, testbed.Furnished...).Ready(t)
	checkKept(t, i.PID(), kept(t)|1<<unix.CAP_DAC_OVERRIDE)
	i.Signal(unix.SIGTERM)
	if code := i.End(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, i.Log.String())
	}
	if left, err := os.ReadDir(directory); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

// TestKeepsParent: a daemon that has started its program again still ends with its parent,
// if the parent has ordered that.
func TestKeepsParent(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	before := testbed.StateOf(t, l.Borea)
	c := l.Borea.Command(t.Context(), "sh", "-c", `setpriv --pdeathsig KILL insane --socket @kept & echo $!; insanely --socket @kept --wait 30s >&2; read x`)
	input, err := c.StdinPipe()
	labtest.Must(t, err)
	var out testbed.Transcript
	c.Stdout, c.Stderr = &out, &out
	labtest.Must(t, c.Start())
	out.Await(t, "the daemon", func(text string) bool { return strings.Contains(text, "slave:") })
	labtest.Must(t, input.Close()) // ends the shell
	_ = c.Wait()
	testbed.SameState(t, l.Borea, before)
}
