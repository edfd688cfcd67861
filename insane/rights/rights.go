// Package rights takes away from the daemon what it does not need: capabilities, the
// possibility to gain any, and system calls.
//
//	rights.go       Reduce: the process keeps the capabilities that a daemon needs
//	handover.go     a text that the program leaves to itself when it is executed again
//	thread.go       the capabilities of one thread
//	held.go         Held: the capabilities that a daemon would have
//	filter.go       Filter: the process keeps the system calls that a daemon needs
//	calls.go        the list of these system calls
//	calls_amd64.go  additions to the list for x86
//	calls_arm64.go  additions to the list for arm64: none
//	calls_other.go  no list for other architectures
//
// In Linux capabilities belong to threads. Go can change those of all threads only in a
// program without any C code, which a build with cgo or with the race detector is not. So
// Reduce changes one thread and lets that thread execute the program again: the new program
// begins with one thread, and all its threads inherit the rights of the first one.
//
// A program that imports this package has its main goroutine in the first thread of the
// process until Reduce returns. That thread alone has the signal that a parent may have
// ordered for its own end (PR_SET_PDEATHSIG(2const)), and keeps it when it executes a program.
package rights

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// needed are the capabilities of every daemon. CAP_NET_ADMIN: the interface, its addresses
// and routes, the control of programs. CAP_NET_RAW: the packet sockets, also those of the
// next slave. CAP_BPF: the eBPF programs, which a change of the receive mode may load later.
const needed = set(1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW | 1<<unix.CAP_BPF)

// nice lets threads take a real-time priority whatever RLIMIT_RTPRIO is. A daemon needs it only
// where it cannot have that limit.
const nice = set(1 << unix.CAP_SYS_NICE)

// override lets a process write to directories of other users.
const override = set(1 << unix.CAP_DAC_OVERRIDE)

// reducedName is the environment variable that holds the process ID of a process that has
// executed its program again.
const reducedName = "INSANE_REDUCED"

// Options are the parameters of Reduce.
type Options struct {
	// Directory is where the daemon makes its control socket and removes it in the end; ""
	// if the socket is no file. If only root's override of file permissions allows that,
	// the daemon keeps this capability as well.
	Directory string

	// Before is called before the process executes its program again, while it has all its
	// rights. What it sets in the environment is there in the new program. After an error the
	// process keeps its rights, and Reduce returns the error. May be nil.
	Before func() error
}

func init() { runtime.LockOSThread() }

// Reduce makes the process one whose threads have no other capabilities than a daemon
// needs, and cannot gain any (no_new_privs). It returns nil if that is so already.
// Otherwise it executes the program again, with the same arguments, descriptors and process
// ID, and does not return; the new program must call it again. So call it in the main
// goroutine, before anything is opened, and before signals are caught: a signal that this
// program catches would be lost. An error says what the kernel refused. The process can go
// on, and has at least the capabilities that a daemon needs, if it had them before.
func Reduce(o Options) error {
	defer runtime.UnlockOSThread()
	has, err := getCapabilities()
	if err != nil {
		return err
	}
	keep, err := has.toKeep(o)
	if err != nil {
		return err
	}
	again := os.Getenv(reducedName) == strconv.Itoa(os.Getpid())
	switch {
	case has.permitted == keep && gainsNothing():
		return os.Unsetenv(reducedName)
	case again:
		return fmt.Errorf("execute the program with fewer capabilities: it has %#x, not %#x", uint64(has.permitted), uint64(keep))
	}
	if o.Before != nil {
		if err := o.Before(); err != nil {
			return err
		}
	}
	if err := keep.confine(); err != nil {
		return err
	}
	return executeAgain()
}

// executeAgain executes the program of this process again. It returns only if the kernel
// refuses.
func executeAgain() error {
	environment := append(os.Environ(), reducedName+"="+strconv.Itoa(os.Getpid()))
	// The name of the process is that of the file. The link in /proc leads to the program
	// also if the file has been deleted, but has another name.
	path, err := os.Executable()
	if err == nil {
		err = syscall.Exec(path, os.Args, environment)
	}
	if err != nil {
		err = syscall.Exec("/proc/self/exe", os.Args, environment)
	}
	return fmt.Errorf("execute the program with fewer capabilities: %w", err)
}
