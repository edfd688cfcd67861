package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	gracePeriod = 500 * time.Millisecond // between SIGTERM and SIGKILL
	killTimeout = 10 * time.Second       // from SIGKILL until the process has ended, on a busy machine
)

// evict ends every other process in one of the hosts, first with SIGTERM. A namespace stays
// as long as a process is in it.
func evict(hosts ...*Host) error {
	var homes []uint64
	for _, h := range hosts {
		if h.ns == nil {
			continue
		}
		inode, err := inodeOf(h.ns)
		if err != nil {
			return err
		}
		homes = append(homes, inode)
	}
	// Repeat: a process may start another one during the search.
	for deadline := time.Now().Add(gracePeriod); ; time.Sleep(5 * time.Millisecond) {
		signal := syscall.SIGTERM
		if time.Now().After(deadline) {
			signal = syscall.SIGKILL
		}
		left, err := signalInhabitants(homes, signal)
		if left == 0 || err != nil {
			return err
		}
		if time.Now().After(deadline.Add(killTimeout)) {
			return fmt.Errorf("end the processes in the lab: %d of them do not die", left)
		}
	}
}

// signalInhabitants signals the processes whose network namespace is one of homes, and
// returns their number. A zombie has no namespace any more.
func signalInhabitants(homes []uint64, signal os.Signal) (int, error) {
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		return 0, err
	}
	count := 0
	for _, link := range links {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(link))))
		if err != nil || pid == os.Getpid() || !livesIn(link, homes) {
			continue
		}
		// FindProcess holds a reference to the process. The second check makes sure that
		// the number did not belong to a new process by then.
		process, err := os.FindProcess(pid)
		if err != nil || !livesIn(link, homes) {
			continue
		}
		count++
		_ = process.Signal(signal) // it may have ended by itself
		_ = process.Release()
	}
	return count, nil
}

// livesIn reports whether a link /proc/PID/ns/net points to one of the namespaces.
func livesIn(link string, homes []uint64) bool {
	var stat unix.Stat_t
	if unix.Stat(link, &stat) != nil {
		return false // the process is gone, or a zombie
	}
	for _, home := range homes {
		if stat.Ino == home {
			return true
		}
	}
	return false
}

// inodeOf returns the number that identifies a namespace (namespaces(7)).
func inodeOf(ns *os.File) (uint64, error) {
	var stat unix.Stat_t
	if err := onFile(ns, func(fd int) error { return unix.Fstat(fd, &stat) }); err != nil {
		return 0, os.NewSyscallError("fstat", err)
	}
	return stat.Ino, nil
}
