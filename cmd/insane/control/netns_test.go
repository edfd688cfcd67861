package control

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// TestOtherNamespace: insanely in another network namespace than the device's shows the
// device and says so, and changes nothing unless it is told to. All namespaces share the
// files of the control sockets.
func TestOtherNamespace(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	socket := worldPath(t)
	i := testbed.Start(t, l, socket, "--slave", "eth0").Ready(t)
	policy := func() string {
		info, err := i.Client.Info(t.Context())
		labtest.Must(t, err)
		return info.TX.Policy
	}
	insanely := func(h *lab.Host, args ...string) (out string, failed bool) {
		c := h.Command(t.Context(), "insanely", args...)
		c.Env = append(c.Environ(), "INSANE_SOCKET="+socket)
		text, err := c.CombinedOutput()
		return string(text), err != nil
	}
	if out, failed := insanely(l.Morgana); failed || !strings.Contains(out, "\nnamespace  net:[") {
		t.Errorf("it is shown as\n%s", out)
	}
	if out, failed := insanely(l.Borea); failed || strings.Contains(out, "namespace") {
		t.Errorf("in its own namespace it is shown as\n%s", out)
	}
	out, failed := insanely(l.Morgana, "eth0", "percent", "1")
	if want := "nothing was changed: run insanely there, or give --any-netns\n"; !failed || !strings.HasPrefix(out, "insanely: namespace: ") ||
		!strings.HasSuffix(out, want) || strings.Count(out, "\n") != 1 || policy() != "pass" {
		t.Errorf("policy %s, said %s", policy(), out)
	}
	for n, try := range []struct {
		from *lab.Host
		args []string
	}{
		{l.Borea, nil},
		{l.Morgana, []string{"--any-netns"}},
		{l.Morgana, []string{"--socket", socket}},
	} {
		want := "percent " + string(rune('2'+n))
		if out, failed := insanely(try.from, append(try.args, "eth0", "percent", want[len("percent "):])...); failed || policy() != want {
			t.Errorf("%s %q: policy %s, want %s: %s", try.from.Name, try.args, policy(), want, out)
		}
	}
}

// TestNetns: a daemon that is started in one network namespace for a device in another one. It is
// there with all its threads; whoever started it may change the device from where it was started;
// and it ends with the namespace, which nothing holds then.
func TestNetns(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"name", "process", "path", "file"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			l := labtest.New(t)
			web, number := newNetns(t, l)
			file := "/proc/" + number + "/ns/net"
			// In a mount namespace of the daemon alone.
			netns, prepare, end := number, "true", "kill -9 "+number
			switch way {
			case "path":
				netns = file
			case "name":
				netns, prepare, end = "web", "ip netns attach web "+number, "ip netns del web"
			case "file":
				netns, prepare, end = "/run/web", "touch /run/web; mount --bind "+file+" /run/web", "umount /run/web"
			}
			socket := worldPath(t)
			script := "set -e; mount -t tmpfs tmpfs /run; " + prepare + `; exec insane "$@"`
			i := testbed.StartOn(t, l.Morgana, socket, "sh", "-c", script, "sh",
				"--socket", socket, "--netns", netns, "--slave", "inner", "--address", "10.99.0.1/32").Ready(t)
			there := namespaceAt(t, file)
			for _, thread := range testbed.Threads(t, i.PID()) {
				if got := namespaceAt(t, thread+"/ns/net"); got != there {
					t.Errorf("%s is in %s, want %s", thread, got, there)
				}
			}
			info, err := i.Client.Info(t.Context())
			labtest.Must(t, err)
			if info.Namespace != there || info.Outside == "" || info.Outside == there || info.SlaveState != "up" {
				t.Errorf("namespace %s, want %s; from outside %q; slave %s", info.Namespace, there, info.Outside, info.SlaveState)
			}
			change := func(h *lab.Host) error {
				c := h.Command(t.Context(), "insanely", "inner", "percent", "50")
				c.Env = append(c.Environ(), "INSANE_SOCKET="+socket)
				return c.Run()
			}
			if err := change(l.Borea); err == nil {
				t.Error("a change from a third namespace is not refused")
			}
			labtest.Must(t, change(l.Morgana))
			before := time.Now()
			labtest.Run(t, l.Morgana, "nsenter", "--mount=/proc/"+fmt.Sprint(i.PID())+"/ns/mnt", "sh", "-c", end)
			if code := i.End(t); code != 0 || !strings.Contains(i.Log.String(), "network namespace is gone") {
				t.Errorf("exit code %d\n%s", code, i.Log.String())
			}
			t.Logf("the device ended %v after its namespace", time.Since(before))
			_ = web.Process.Kill() // nothing but the process is in the namespace
			_ = web.Wait()
			labtest.Await(t, "the link to the namespace to go with it", func() bool {
				_, err := l.Morgana.Netlink().LinkByName("outer")
				return err != nil
			})
		})
	}
}

// newNetns starts a process in a network namespace of its own, with a link inner whose other end is
// outer on morgana. The link is gone when the namespace is.
func newNetns(t *testing.T, l *lab.Lab) (c *exec.Cmd, number string) {
	t.Helper()
	c = exec.Command("unshare", "--net", "sleep", "600")
	labtest.Must(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill() })
	number = fmt.Sprint(c.Process.Pid)
	labtest.Await(t, "another network namespace", func() bool {
		return namespaceAt(t, "/proc/"+number+"/ns/net") != namespaceAt(t, "/proc/self/ns/net")
	})
	labtest.Run(t, l.Morgana, "ip", "link", "add", "outer", "up", "type", "veth", "peer", "name", "inner", "netns", number)
	labtest.Run(t, l.Morgana, "nsenter", "--net=/proc/"+number+"/ns/net", "ip", "link", "set", "inner", "up")
	return c, number
}

func namespaceAt(t *testing.T, path string) string {
	t.Helper()
	text, err := os.Readlink(path)
	labtest.Must(t, err)
	return text
}

// TestNoNetns: a network namespace that is none is refused, and so is one for which the rights do
// not suffice. Nothing is made.
func TestNoNetns(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	for netns, want := range map[string]string{"nowhere": "/run/netns/nowhere does not exist", "/proc/self/ns/uts": "invalid argument"} {
		code, out := labtest.Fails(t, l.Borea, "insane", "--netns", netns, "--slave", "eth0", "--socket", "@no-netns")
		wantCode := 2
		if strings.HasPrefix(want, "invalid") {
			wantCode = 1 // the kernel refuses it
		}
		if code != wantCode || !strings.HasPrefix(out, fmt.Sprintf("insane: netns: %q: ", netns)) || !strings.Contains(out, want) || strings.Count(out, "\n") != 1 {
			t.Errorf("%q: exit code %d, %s", netns, code, out)
		}
	}
	number := fmt.Sprint(os.Getpid())
	code, out := labtest.Fails(t, l.Borea, "setpriv", "--bounding-set=-sys_admin", "insane", "--netns", number, "--slave", "eth0", "--socket", "@no-netns")
	if code != 1 || !strings.Contains(out, "that wants CAP_SYS_ADMIN") || strings.Count(out, "\n") != 1 {
		t.Errorf("without rights: exit code %d, %s", code, out)
	}
	if out := labtest.Run(t, l.Borea, "ip", "link"); strings.Contains(out, "insane") {
		t.Errorf("an interface is there:\n%s", out)
	}
}
