package cni

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/seed-39a139a1/insane/insanely"
)

// How long the plugin waits: until a daemon answers, which takes a tenth of a second on a node that is
// not busy, and until one has ended after a signal, which takes half a second at most.
const (
	startPatience = 10 * time.Second
	endPatience   = 2 * time.Second
)

// cgroup is the control group of all daemons (cgroups(7), version 2). Without it they would be in
// that of the runtime, and end when that is stopped.
const cgroup = "/sys/fs/cgroup/insane"

// program returns the path of insane.
func (c *config) program() (string, error) {
	if c.Program != "" {
		return c.Program, nil
	}
	if own, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(own), "insane")
		if _, err := os.Stat(beside); err == nil {
			return beside, nil
		}
	}
	return exec.LookPath("insane")
}

// start starts the daemon of an attachment and returns when the device works. On an error no
// process is left; the log stays.
func (r *record) start(program string, args []string) (err error) {
	log, err := r.log()
	if err != nil {
		return err
	}
	defer log.Close()
	if ended, err := lock(log); err != nil || !ended {
		return errors.Join(err, fmt.Errorf("a daemon of %s runs already", filepath.Base(r.base)))
	}
	cmd, err := spawn(program, args, log)
	if err != nil {
		return err
	}
	// The runtime may be protected from being killed when memory runs short. The daemon is not.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", cmd.Process.Pid), []byte("0"), 0)
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait(); cancel() }()
	r.Process = cmd.Process.Pid
	if err = r.write(); err == nil {
		if err = await(ctx, r.Socket); err == nil {
			return nil
		}
	}
	r.Process = 0
	select {
	case <-ended:
		return fmt.Errorf("%s: %s", filepath.Base(program), lastLine(log, err))
	default:
	}
	_ = cmd.Process.Kill()
	<-ended
	return fmt.Errorf("the device does not come up: %w", err)
}

// await waits until a daemon answers.
func await(ctx context.Context, socket string) error {
	client := insanely.Dial(socket)
	defer client.Close()
	for {
		_, err := client.Wait(ctx)
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
}

// spawn starts a program in a session of its own, with a log, and in the control group of all
// daemons if there can be one.
func spawn(program string, args []string, log *os.File) (cmd *exec.Cmd, err error) {
	for range 2 { // who ends the last daemon removes the group
		group, err := openGroup()
		if err != nil {
			break
		}
		defer group.Close()
		cmd = prepare(program, args, log)
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(group.Fd())
		if cmd.Start() == nil {
			return cmd, nil
		}
	}
	cmd = prepare(program, args, log)
	return cmd, cmd.Start()
}

func prepare(program string, args []string, log *os.File) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = "/", environment()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// openGroup opens the control group of all daemons, and makes it.
func openGroup() (*os.File, error) {
	if _, err := os.Stat(filepath.Join(filepath.Dir(cgroup), "cgroup.controllers")); err != nil {
		return nil, err // no control groups of version 2
	}
	_ = os.Mkdir(cgroup, 0o755)
	return os.Open(cgroup)
}

// environment returns what a daemon needs of the environment. The rest belongs to the runtime,
// such as the socket of its service manager.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return !strings.HasPrefix(v, "PATH=") && !strings.HasPrefix(v, "GO")
	})
}

// lastLine returns the last line of a log, or that there is none.
func lastLine(log *os.File, err error) string {
	text, _ := os.ReadFile(log.Name())
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	if last := string(lines[len(lines)-1]); last != "" {
		return strings.TrimPrefix(last, "insane: ")
	}
	return fmt.Sprintf("it has ended without a word (%v)", err)
}

// end ends the daemon of an attachment, waits for that, and removes all that there is of it. The
// number of the process is that of the daemon as long as the daemon has the log locked; after
// that it may be another process's.
func (r *record) end() error {
	log, err := r.log()
	if err != nil {
		return err
	}
	defer log.Close()
	process, errFind := os.FindProcess(r.Process) // keeps a descriptor of the process
	ended, err := lock(log)
	if err != nil {
		return err
	}
	if !ended && (errFind != nil || r.Process == 0) {
		return fmt.Errorf("end the daemon of %s: its process is not known", filepath.Base(r.base))
	}
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Kill} {
		if !ended {
			_ = process.Signal(signal)
			ended = lockIn(log, endPatience)
		}
	}
	if !ended {
		return fmt.Errorf("end the daemon of %s: process %d does not end", filepath.Base(r.base), r.Process)
	}
	err = r.remove()
	removeGroup(strconv.Itoa(r.Process))
	return err
}

// removeGroup removes the control group of all daemons unless there are others than one that has
// ended. A process that ends closes its files a moment before it leaves the group.
func removeGroup(ended string) {
	for range 40 {
		if err := os.Remove(cgroup); !errors.Is(err, syscall.EBUSY) {
			return
		}
		text, err := os.ReadFile(filepath.Join(cgroup, "cgroup.procs"))
		others := slices.DeleteFunc(strings.Fields(string(text)), func(p string) bool { return p == ended })
		if err != nil || len(others) > 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}
