package cni

import (
	"errors"
	"fmt"
	"os"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
)

// errCode is that of errors of this plugin; those below 100 belong to the specification.
const (
	errCode        = 100
	errUnavailable = 50 // the plugin cannot serve ADD (CNI specification, STATUS)
)

// tolerate returns an error only if a pod must have the device that it asks for. Else the
// runtime finds it in its log, and everything goes on without the device.
func (c *config) tolerate(err error, code uint) error {
	switch {
	case err == nil:
		return nil
	case c.Required:
		return types.NewError(code, "insane-cni: "+err.Error(), "")
	}
	fmt.Fprintln(os.Stderr, "insane-cni: there is no device:", err)
	return nil
}

// add puts a device in front of the interface of a pod, if somebody asks for it. What it does not
// ask for it leaves alone.
func add(a *skel.CmdArgs) error {
	c, err := parse(a)
	if err != nil {
		return err
	}
	result, err := c.previous()
	if err != nil {
		return err
	}
	if p, ok := c.wanted(); ok {
		err := c.make(a, p, result)
		if err := c.tolerate(err, errCode); err != nil {
			return err
		}
		if err == nil {
			result.Interfaces = append(result.Interfaces, &current.Interface{Name: deviceName(a.IfName), Sandbox: a.Netns})
		}
	}
	return types.PrintResult(result, c.CNIVersion)
}

// make starts the daemon of an attachment. A daemon of an earlier attempt, and one of an earlier
// container of the pod, ends first.
func (c *config) make(a *skel.CmdArgs, p policies, result *current.Result) error {
	r, err := newRecord(c.Directory, record{
		Container: a.ContainerID, Link: a.IfName, Network: c.Name, Socket: c.socketPath(a),
		Namespace: c.args["K8S_POD_NAMESPACE"], Pod: c.args["K8S_POD_NAME"], UID: c.args["K8S_POD_UID"], Otherwise: c.otherwise().whole(),
	})
	if err != nil {
		return err
	}
	others, err := records(c.Directory)
	if err != nil {
		return err
	}
	for _, other := range others {
		if other.base == r.base || other.Socket == r.Socket {
			if err := other.end(); err != nil {
				return err
			}
		}
	}
	if err := r.makeApplied(p); err != nil {
		return err
	}
	program, err := c.program()
	if err == nil {
		err = r.start(program, c.arguments(a, p, r.Socket, result))
	}
	if err != nil {
		r.Failure = err.Error()
		return errors.Join(err, r.write())
	}
	return nil
}

// arguments returns those of the daemon. Each flag is one word with its value, so that no value can
// be taken for a flag.
func (c *config) arguments(a *skel.CmdArgs, p policies, socket string, result *current.Result) []string {
	args := []string{
		"--name=" + deviceName(a.IfName), "--netns=" + a.Netns, "--slave=" + a.IfName, "--socket=" + socket,
		"--policy=" + p.TX, "--rx-policy=" + p.RX, "--memory=" + c.Memory,
	}
	if c.Seed != "" {
		args = append(args, "--seed="+c.Seed)
	}
	for _, route := range c.routes(result) {
		args = append(args, "--route="+route)
	}
	return args
}

// del ends the daemon of an attachment. It is no error if there is none: the operation may be
// repeated, and the namespace may be gone.
func del(a *skel.CmdArgs) error {
	c, err := parse(a)
	if err != nil {
		return err
	}
	r, err := findRecord(c.Directory, a.ContainerID, a.IfName)
	if r == nil || err != nil {
		return err
	}
	return r.end()
}

// check returns an error if a device that must be there is not.
func check(a *skel.CmdArgs) error {
	c, err := parse(a)
	if err != nil {
		return err
	}
	if _, ok := c.wanted(); !ok {
		return nil
	}
	return c.tolerate(c.look(a), errCode)
}

// look returns why there is no device.
func (c *config) look(a *skel.CmdArgs) error {
	r, err := findRecord(c.Directory, a.ContainerID, a.IfName)
	switch {
	case err != nil:
		return err
	case r == nil:
		return errors.New("none was made")
	case r.Failure != "":
		return errors.New(r.Failure)
	}
	runs, err := r.runs()
	if err == nil && !runs {
		err = fmt.Errorf("its daemon has ended; its log is %s.log", r.base)
	}
	return err
}

// collect ends the daemons of attachments to this network that are not there any more.
func collect(a *skel.CmdArgs) error {
	c, err := parse(a)
	if err != nil {
		return err
	}
	valid := make(map[string]bool)
	for _, v := range c.ValidAttachments {
		valid[attachment(v.ContainerID, v.IfName)] = true
	}
	list, err := records(c.Directory)
	errs := []error{err}
	for _, r := range list {
		if r.Network == c.Name && !valid[attachment(r.Container, r.Link)] {
			errs = append(errs, r.end())
		}
	}
	return errors.Join(errs...)
}

// status returns an error if pods cannot get the device that they must have.
func status(a *skel.CmdArgs) error {
	c, err := parse(a)
	if err != nil {
		return err
	}
	_, err = c.program()
	if _, errTUN := os.Stat("/dev/net/tun"); err == nil && errTUN != nil {
		err = fmt.Errorf("%w: load the kernel module (modprobe tun)", errTUN)
	}
	return c.tolerate(err, errUnavailable)
}
