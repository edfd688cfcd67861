package rights

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// set is a set of capabilities (capabilities(7)): bit n stands for the capability of number
// n.
type set uint64

// all is the set of all capabilities that a kernel may have.
const all = ^set(0)

// capabilities are those of one thread.
type capabilities struct{ effective, permitted, inheritable set }

// getCapabilities returns the capabilities of the calling thread.
func getCapabilities() (c capabilities, err error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return c, fmt.Errorf("read capabilities: %w", err)
	}
	both := func(low, high uint32) set { return set(low) | set(high)<<32 }
	return capabilities{
		effective:   both(data[0].Effective, data[1].Effective),
		permitted:   both(data[0].Permitted, data[1].Permitted),
		inheritable: both(data[0].Inheritable, data[1].Inheritable),
	}, nil
}

// apply gives the calling thread these capabilities. It cannot add to the permitted ones.
func (c capabilities) apply() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for word := range data {
		shift := 32 * word
		data[word] = unix.CapUserData{
			Effective: uint32(c.effective >> shift), Permitted: uint32(c.permitted >> shift), Inheritable: uint32(c.inheritable >> shift),
		}
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("set capabilities: %w", err)
	}
	return nil
}

// toKeep returns which of these capabilities, those of the calling thread, the daemon needs.
func (c capabilities) toKeep(o Options) (set, error) {
	keep := c.permitted & needed
	if !mayRealTime() {
		keep |= c.permitted & nice
	}
	if o.Directory == "" || c.permitted&override == 0 {
		return keep, nil
	}
	for _, try := range []set{keep, keep | override} {
		if err := (capabilities{try, c.permitted, c.inheritable}).apply(); err != nil {
			return 0, err
		}
		if writable(o.Directory) {
			return try, c.apply()
		}
	}
	return keep, c.apply() // nothing helps, so the daemon reports the error
}

// writable reports whether the calling thread may make files in a directory, or, if that
// does not exist, the directory itself.
func writable(directory string) bool {
	for {
		err := unix.Faccessat(unix.AT_FDCWD, directory, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
		above := filepath.Dir(directory)
		if err != unix.ENOENT || above == directory {
			return err == nil
		}
		directory = above
	}
}

// confine leaves the calling thread these capabilities, in a way that lasts when it executes
// a program, for root and for other users, and gives up the possibility to gain any.
func (s set) confine() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	for n := range 64 {
		if (all&^s)>>n&1 != 0 {
			// Fails without CAP_SETPCAP, and for numbers that the kernel does not know.
			// With no_new_privs the set bounds nothing any more.
			_ = unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(n), 0, 0, 0)
		}
	}
	if err := (capabilities{s, s, s}).apply(); err != nil {
		return err
	}
	for n := range 64 {
		if s>>n&1 == 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(n), 0, 0); err != nil {
			return fmt.Errorf("keep capability %d: %w", n, err)
		}
	}
	return nil
}

// gainsNothing reports whether the calling thread has given up the possibility to gain
// capabilities.
func gainsNothing() bool {
	n, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	return err == nil && n == 1
}

// mayRealTime reports whether RLIMIT_RTPRIO lets the threads of this process, and of the program
// that it executes, take the lowest real-time priority, with which packets that wait leave in
// time. It raises the limit, if the process has CAP_SYS_RESOURCE or the hard limit allows it.
func mayRealTime() bool {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_RTPRIO, &limit) != nil {
		return false
	}
	return limit.Cur > 0 || unix.Setrlimit(unix.RLIMIT_RTPRIO, &unix.Rlimit{Cur: 1, Max: max(1, limit.Max)}) == nil
}
