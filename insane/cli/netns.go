package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insane"
	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/rights"
)

// leftNetns is the name under which the program that the daemon executes, in another network
// namespace, finds the namespace of the program before, and the descriptor of a process.
const leftNetns = "INSANE_NETNS"

// netns is the network namespace that --netns names.
type netns struct {
	*host.Netns
	entered bool
}

// otherNetns reads the network namespace of the device; nil: that of the command. It takes two
// programs: the first one enters the namespace and executes the second one, all of whose threads
// are there.
func otherNetns(c *cli.Context, conf *insane.Config) (n *netns, err error) {
	left, taken, err := rights.Take(leftNetns)
	if err != nil || !c.IsSet("netns") {
		return nil, err
	}
	n = &netns{entered: taken}
	fd := -1
	if taken {
		number := ""
		conf.Outside, number, _ = strings.Cut(left, " ")
		if fd, err = strconv.Atoi(number); err != nil {
			return nil, fmt.Errorf("take over the network namespace: %w", err)
		}
	}
	if n.Netns, err = host.TakeNetns(c.String("netns"), fd); err != nil {
		return nil, usagef("netns: %q: %v", c.String("netns"), err)
	}
	return n, nil
}

// enter puts the calling thread into the namespace, and leaves to the program that the thread
// executes next where it comes from. nil: it stays where it is.
func (n *netns) enter() error {
	if n == nil {
		return nil
	}
	fd, err := n.Descriptor()
	if err == nil {
		err = rights.Leave(leftNetns, host.Namespace()+" "+strconv.Itoa(fd))
	}
	if err == nil {
		err = n.Enter()
	}
	return n.explain(err)
}

// explain says what an error of entering the namespace means.
func (n *netns) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("netns: %q: enter it: %w: that wants CAP_SYS_ADMIN", n.String(), err)
	}
	return fmt.Errorf("netns: %q: enter it: %w", n.String(), err)
}

// check returns an error if the process should be in the namespace, and is not. err says why it
// did not execute itself again.
func (n *netns) check(err error) error {
	switch {
	case n == nil || n.entered:
		return nil
	case err == nil:
		return n.explain(syscall.EPERM) // it has no rights that it could give up
	}
	return err
}

// watch calls end when the namespace is gone. It looks until ctx ends. nil: it does nothing.
func (n *netns) watch(ctx context.Context, conf *insane.Config, end func()) {
	if n == nil {
		return
	}
	go func() {
		if n.Watch(ctx) {
			conf.Log.Info("the network namespace is gone: the device ends", "netns", n.String())
			end()
		}
	}()
}
