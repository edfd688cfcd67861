package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const hostsFile = "/etc/hosts"

// private gives the calling thread what makes a network namespace look like a
// machine: the host's name, a /sys that shows its interfaces and a hostsFile
// that knows both hosts. All of it is in namespaces of the thread's own; nothing
// is seen outside or touches a disk. As with ip-netns(8), what was mounted below
// /sys is not there.
func (h *Host) private() error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWUTS); err != nil {
		return fmt.Errorf("make mount namespace: %w", err)
	}
	if err := unix.Sethostname([]byte(h.Name)); err != nil {
		return fmt.Errorf("set host name %s: %w", h.Name, err)
	}
	// Slave: mounts made here stay here, unmounts made outside still arrive
	// and so are not held up by us.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := mountHosts(); err != nil {
		return fmt.Errorf("mount %s: %w", hostsFile, err)
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("sysfs", "/sys", "sysfs", flags, ""); err != nil {
		return fmt.Errorf("mount sysfs: %w", err)
	}
	return nil
}

// mountHosts puts a file from a memory file system over hostsFile. /sys, about
// to be hidden anyway, lends the place where that file system is mounted while
// the file is made; the bind keeps the file system afterwards. A machine
// without hostsFile does without.
func mountHosts() error {
	old, err := os.ReadFile(hostsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", "/sys", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return err
	}
	const file = "/sys/hosts"
	err = os.WriteFile(file, []byte(hosts()+string(old)), 0o644)
	if err == nil {
		err = unix.Mount(file, hostsFile, "", unix.MS_BIND, "")
	}
	return errors.Join(err, unix.Unmount("/sys", unix.MNT_DETACH))
}

// hosts is what a lab adds in front of a hostsFile (hosts(5)).
func hosts() string {
	var text strings.Builder
	for _, h := range []*Host{borea(), morgana()} {
		fmt.Fprintf(&text, "%s\t%s\n%s\t%s\n", h.IPv4, h.Name, h.IPv6, h.Name)
	}
	return text.String()
}
