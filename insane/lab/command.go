package lab

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"sync"
	"syscall"
)

// Cmd is an exec.Cmd that runs in a host. Set its fields before Start and use it like an
// exec.Cmd. There are two differences. The process has its own namespaces, in which it sees
// the host's name and /sys, and an /etc/hosts with both hosts. The kernel kills it when
// this process dies.
type Cmd struct {
	*exec.Cmd
	host *Host

	// The kernel sends the death signal when the thread that started the child ends
	// (prctl(2), PR_SET_PDEATHSIG). So the thread stays until Wait has returned.
	release sync.Once
	waited  chan struct{}
}

// Command prepares a command to be run in the host. It is killed when ctx
// ends. A name without slash is looked up in the PATH of this process.
func (h *Host) Command(ctx context.Context, name string, args ...string) *Cmd {
	return &Cmd{
		Cmd:    exec.CommandContext(ctx, name, args...),
		host:   h,
		waited: make(chan struct{}),
	}
}

// Start starts the command. The caller must call Wait: until then the command occupies a
// thread.
func (c *Cmd) Start() error {
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started := make(chan error)
	onThread(func() {
		err := c.startHere()
		started <- err
		if err == nil {
			<-c.waited
		}
	})
	return <-started
}

// startHere starts the command from the calling thread, which cannot be used for anything
// else afterwards.
func (c *Cmd) startHere() error {
	if err := c.host.enter(); err != nil {
		return err
	}
	if err := c.host.private(); err != nil {
		return err
	}
	return c.Cmd.Start()
}

// Wait waits for the command as exec.Cmd does.
func (c *Cmd) Wait() error {
	err := c.Cmd.Wait()
	if c.ProcessState != nil {
		c.release.Do(func() { close(c.waited) })
	}
	return err
}

// Run starts the command and waits for it.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the command and returns its standard output. Unlike exec.Cmd, it does not
// copy standard error into an exit error.
func (c *Cmd) Output() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("lab: Stdout already set")
	}
	var out bytes.Buffer
	c.Stdout = &out
	err := c.Run()
	return out.Bytes(), err
}

// CombinedOutput runs the command and returns what it wrote on both outputs.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	if c.Stdout != nil || c.Stderr != nil {
		return nil, errors.New("lab: Stdout or Stderr already set")
	}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}
