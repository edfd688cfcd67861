package control

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// innerHost makes a host and a neighbour in a user namespace, as a rootless container has
// them, and runs a script there: $1, with the settings of the kernel read-only if $2 says so.
const innerHost = `
[ "$2" = writable ] || mount -o bind,ro /proc/sys /proc/sys || exit 2
unshare --net --kill-child sleep 120 & neighbour=$!
until [ "$(readlink /proc/$neighbour/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
ip link set lo up
ip link add eth0 type veth peer name eth0 netns $neighbour
ip address add 10.9.0.1/24 dev eth0
ip link set eth0 up
nsenter --target $neighbour --net sh -c "ip address add 10.9.0.2/24 dev eth0; ip link set eth0 up"
export INSANE_SOCKET=@inner
eval "$1"
`

// inner runs a script in a user namespace and returns what it wrote. The test fails if the
// script does.
func inner(t *testing.T, settings, script string) string {
	t.Helper()
	labtest.NeedRoot(t)
	testbed.RequireProgram(t, "unshare", "nsenter", "ping")
	runtime.LockOSThread() // Pdeathsig is sent when this thread ends
	defer runtime.UnlockOSThread()
	args := []string{"--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		"sh", "-euc", innerHost, "sh", script, settings}
	ctx, cancel := context.WithTimeout(t.Context(), 2*labtest.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", args...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// throughInsane pings the neighbour through the device, and shows the device. Each ping is one
// program: behind the last of several, ping waits no longer than the others took.
const throughInsane = `
insane --slave eth0 --route 10.9.0.2 "$@" & insane=$!
insanely --wait 30s >/dev/null
for i in 1 2 3; do ping -c 1 -W 5 10.9.0.2; done
insanely
insanely --json | tr -d ' \n'; echo
grep -H -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/$insane/task/*/status
ip link set eth0 mtu 1200; ip link set eth0 mtu 1400
until ip address show insane | grep -q 'mtu 1400'; do kill -0 $insane; sleep 0.01; done
until ip address show insane | grep -q 'inet6 fe80'; do kill -0 $insane; sleep 0.01; done
kill $insane; wait $insane; echo status $?
`

// TestInUserNamespace: root of a user namespace, who may not load eBPF programs, gets a
// device that sends through the relay, with and without --receive none. The log, the state
// and insanely say what is missing. Settings that cannot be written are done without.
func TestInUserNamespace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, args, settings string }{
		{"default", "", "writable"},
		{"receive none", "--receive none", "writable"},
		{"read-only settings", "--log-format json", "read-only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out := inner(t, c.settings, "set -- "+c.args+"\n"+throughInsane)
			for _, want := range []string{
				`(?s)(\n1 packets transmitted, 1 received.*){3}`,
				`(?m)^insane .* receive none `,
				`(?m)^path +relay: .*CAP_BPF.*first user namespace`,
				`"receive":"none"`, `"path":"relay"`,
				`(?m)^status 0$`,
			} {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("no %q in:\n%s", want, out)
				}
			}
			warned := strings.Contains(out, "what arrives stays with the slave")
			if asked := strings.Contains(c.args, "none"); warned == asked {
				t.Errorf("it said that it only sends: %t; it was asked to: %t\n%s", warned, asked, out)
			}
			if strings.Contains(out, "level=ERROR") || strings.Contains(out, `"level":"ERROR"`) {
				t.Errorf("the daemon complains:\n%s", out)
			}
			if regexp.MustCompile(`NoNewPrivs:\s+0|Seccomp:\s+[01]`).MatchString(out) {
				t.Errorf("the daemon keeps rights:\n%s", out)
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		out := inner(t, "writable", `insane --slave eth0 --receive auto && exit 1; insane --slave eth0 --rx-policy "percent 50" && exit 1; :`)
		if n := len(regexp.MustCompile(`(?m)^insane: receive: "auto": .*first user namespace.*--receive none does without$`).FindAllString(out, -1)); n != 2 {
			t.Errorf("%d of 2 refusals:\n%s", n, out)
		}
	})
}
