package host

import (
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// CommandOf returns the name of the process that has made a connection (proc_pid_comm(5)), in
// any bytes. It returns "" if that is not known: the kernel is older than 6.5, the process has
// ended, or is in another PID namespace. A process gives itself this name. CommandOf waits for
// nothing.
//
// A process ID may be another process by now. The kernel also keeps the process itself (unix(7),
// SO_PEERPIDFD): as long as that has not ended, its ID is its own. Which ID it has in /proc, which
// may be that of another PID namespace, /proc says as well.
func CommandOf(c *net.UnixConn) (name string) {
	raw, err := c.SyscallConn()
	if err != nil {
		return ""
	}
	_ = raw.Control(func(fd uintptr) { name = commandOf(int(fd)) }) // fails if c is closed
	return name
}

func commandOf(fd int) string {
	process, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	if err != nil {
		return ""
	}
	defer unix.Close(process)
	about, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", process))
	if err != nil {
		return ""
	}
	_, line, _ := strings.Cut(string(about), "\nPid:")
	pid, _, _ := strings.Cut(strings.TrimSpace(line), "\n")
	text, err := os.ReadFile("/proc/" + pid + "/comm") // there is none for 0 and -1
	if err != nil || hasEnded(process) {
		return ""
	}
	return strings.TrimSuffix(string(text), "\n")
}

// hasEnded reports whether a process has ended, of which pidfd is a descriptor.
func hasEnded(pidfd int) bool {
	n, err := unix.Ppoll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, new(unix.Timespec), nil)
	return n != 0 || err != nil
}
