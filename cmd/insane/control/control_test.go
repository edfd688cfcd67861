package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// user has the credentials of a connection.
type user struct {
	uid, gid int
	groups   []uint32 // supplementary
}

// A user, and a group that has no members.
var nobody = user{uid: 65534, gid: 65534}

const testGroup = 4242

// dial connects to the control socket as the user. The kernel records the credentials of
// the thread that connects (unix(7), SO_PEERCRED); any thread may use the connection
// afterwards. The raw system calls change only this thread, which belongs to Do and ends
// with it.
func (u user) dial(h *lab.Host, socket string) (conn net.Conn, err error) {
	err = h.Do(func() error {
		if err := u.become(); err != nil {
			return err
		}
		conn, err = net.Dial("unix", socket)
		return err
	})
	return conn, err
}

func (u user) become() error {
	if err := setGroups(u.groups); err != nil {
		return fmt.Errorf("set groups: %w", err)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(u.gid), uintptr(u.gid), uintptr(u.gid)); errno != 0 {
		return fmt.Errorf("set group: %w", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(u.uid), uintptr(u.uid), uintptr(u.uid)); errno != 0 {
		return fmt.Errorf("set user: %w", errno)
	}
	return nil
}

// client is a control client with the credentials of the user.
func (u user) client(t testing.TB, h *lab.Host, socket string) *insanely.Client {
	c := insanely.NewClient(func(context.Context) (net.Conn, error) { return u.dial(h, socket) })
	t.Cleanup(func() { c.Close() })
	return c
}

// TestWhoMayChange: every user may read; root and members of the group may change. A path
// and an abstract address give the same rights.
func TestWhoMayChange(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	for _, socket := range []string{"@control", worldPath(t)} {
		i := testbed.Start(t, l, socket, "--slave", "eth0", "--policy", "percent 50", "--seed", "3",
			"--group", fmt.Sprint(testGroup)).Ready(t)
		for _, tt := range []struct {
			name string
			user
			may bool
		}{
			{"root", user{}, true},
			{"nobody", nobody, false},
			{"nobody in other groups", user{uid: 65534, gid: 65534, groups: []uint32{1, 2, 3}}, false},
			{"nobody in root's group", user{uid: 65534, gid: 0}, false},
			{"member", user{uid: 65534, gid: testGroup}, true},
			{"supplementary member", user{uid: 65534, gid: 65534, groups: []uint32{1, testGroup}}, true},
			{"member of very many groups", user{uid: 65534, gid: 65534, groups: append(many(1000), testGroup)}, true},
		} {
			t.Run(tt.name, func(t *testing.T) {
				c := tt.client(t, l.Borea, socket)
				checkMay(t, i, c, tt.may)
				checkMayRules(t, c, tt.may)
			})
		}
		// The log comes through a queue, so its end is not that of the last answer.
		labtest.Await(t, "the log to have all changes", func() bool { return strings.Count(i.Log.String(), "load=\"0 bytes\"") >= 4 })
		i.Kill()
		checkChangeLog(t, i.Log.String())
	}
}

// checkMay reads, changes and reads again.
func checkMay(t *testing.T, i *testbed.Instance, c *insanely.Client, may bool) {
	before, err := c.Info(t.Context())
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	want := "percent 51"
	if before.TX.Policy == want {
		want = "percent 52"
	}
	after, err := c.Set(t.Context(), api.Change{TX: &want, Seed: new(before.Seed + 1)})
	if may {
		if err != nil || after.TX.Policy != want {
			t.Errorf("set: %q, %v", after.TX.Policy, err)
		}
		return
	}
	if !errors.Is(err, api.ErrForbidden) {
		t.Errorf("set: want forbidden, got %v", err)
	}
	now, err := i.Client.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{before.TX.Policy, before.Seed}, []any{now.TX.Policy, now.Seed}); diff != "" {
		t.Errorf("a refused change changed something (-before +after):\n%s", diff)
	}
}

// checkMayRules reads the rules, and changes them in each way that there is.
func checkMayRules(t *testing.T, c *insanely.Client, may bool) {
	load := "dns: udp port 53 both pass\nweb: tcp port 80 tx pass\n"
	for _, step := range []struct {
		change api.RulesChange
		after  string
	}{
		{api.RulesChange{Load: &load}, load},
		{api.RulesChange{Add: new("a tcp tx pass"), Before: new("dns")}, "a: tcp tx pass\n" + load},
		{api.RulesChange{Set: new("a tx percent 5")}, "a: tcp tx percent 5\n" + load},
		{api.RulesChange{Delete: new("a")}, load},
		{api.RulesChange{Load: new("")}, ""},
	} {
		if !may {
			step.after = ""
		}
		changed, err := c.ChangeRules(t.Context(), step.change)
		if may && (err != nil || changed.Total != strings.Count(step.after, "\n")) || !may && !errors.Is(err, api.ErrForbidden) {
			t.Errorf("change of rules: %+v, %v", changed, err)
		}
		text, err := c.RulesFile(t.Context())
		rules, errRules := c.Rules(t.Context())
		if err != nil || errRules != nil || text != step.after || len(rules) != 1+strings.Count(text, "\n") {
			t.Errorf("%q, %d rules, %v, %v; want %q", text, len(rules), err, errRules, step.after)
		}
	}
}

// checkChangeLog: for each change a line of the log has the peer, the old and the new
// value.
func checkChangeLog(t *testing.T, log string) {
	t.Helper()
	for _, want := range []string{
		`msg=changed uid=0 gid=0 pid=\d+ command=\S+ slave=eth0 receive=auto tx="percent 50 -> percent 51" rx=pass seed="3 -> 4"`,
		`level=WARN msg="change refused: not permitted" uid=65534 gid=65534 pid=\d+`,
		`msg="rules changed" uid=65534 gid=4242 pid=\d+ command=\S+ add="a tcp tx pass" before=dns total=3`,
		`msg="rules changed" uid=0 gid=0 pid=\d+ command=\S+ load="0 bytes" total=0`,
		`msg=changed uid=65534 gid=4242 pid=\d+ command=\S+ slave=eth0 receive=auto tx="percent 51 -> percent 52"`,
	} {
		if !regexp.MustCompile(want).MatchString(log) {
			t.Errorf("no line of the log is like\n%s\nin\n%s", want, log)
		}
	}
	if n := strings.Count(log, "msg=changed"); n != 4 {
		t.Errorf("%d changes in the log, want 4", n)
	}
}

// worldPath returns the path of a socket that every user can reach. The directory of a test
// is accessible to root only.
func worldPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "insane-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "insane.sock")
}

// setGroups calls setgroups(2) for this thread only.
func setGroups(groups []uint32) error {
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(unsafe.SliceData(groups))), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func many(n int) (list []uint32) {
	for i := range n {
		list = append(list, uint32(10_000+i))
	}
	return list
}
