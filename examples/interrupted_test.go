package examples_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// A signal ends each script at once, and nothing of it is left.
func TestScriptsAreInterrupted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		script string
		during string // a program that runs when the signal comes
		signal syscall.Signal
	}{
		{"route-a-host/route-a-host.sh", "insane", syscall.SIGINT},
		{"route-a-host/route-a-host.sh", "insane", syscall.SIGKILL},
		{"second-subnet/second-subnet.sh", "insane", syscall.SIGTERM},
		{"container/container.sh", "conmon", syscall.SIGTERM},
	} {
		t.Run(fmt.Sprintf("%s/%v", filepath.Base(c.script), c.signal), func(t *testing.T) {
			labtest.NeedRoot(t)
			path, err := filepath.Abs(c.script)
			labtest.Must(t, err)
			runtime.LockOSThread() // Pdeathsig is sent when this thread ends
			defer runtime.UnlockOSThread()
			mark := fmt.Sprintf("INSANE_EXAMPLE=%d-%s-%d", os.Getpid(), filepath.Base(c.script), c.signal)
			cmd := exec.Command(path)
			cmd.Env = append(os.Environ(), mark, "GORACE=atexit_sleep_ms=0")
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			said, err := os.Create(filepath.Join(t.TempDir(), "said"))
			labtest.Must(t, err)
			defer said.Close()
			cmd.Stdout, cmd.Stderr = said, said
			t.Cleanup(func() {
				if text, err := os.ReadFile(said.Name()); t.Failed() && err == nil {
					t.Logf("the script said:\n%s", text)
				}
			})
			labtest.Must(t, cmd.Start())
			labtest.Await(t, c.during+" to run", func() bool { return running(t, mark)[c.during] })
			spaces := namespaces(t, mark)
			if len(spaces) == 0 {
				t.Errorf("the script has no network namespace")
			}
			labtest.Must(t, cmd.Process.Signal(c.signal))
			if err := cmd.Wait(); err == nil {
				t.Error("the script says that it has come to its end")
			}
			checkGone(t, mark, spaces)
			groups, err := filepath.Glob(fmt.Sprintf("/sys/fs/cgroup/*/insane-example-%d", cmd.Process.Pid))
			if err != nil || len(groups) > 0 {
				t.Errorf("control groups are left: %v, %v", groups, err)
			}
		})
	}
}
