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

// private makes the network namespace of the calling thread look like a machine: with the
// host's name, a /sys that shows its interfaces and a hostsFile with both hosts. It uses
// separate namespaces of the thread, so nothing is visible outside and no disk is written.
// As with ip-netns(8), file systems that were mounted below /sys are missing.
func (h *Host) private() error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWUTS); err != nil {
		return fmt.Errorf("make mount namespace: %w", err)
	}
	if err := unix.Sethostname([]byte(h.Name)); err != nil {
		return fmt.Errorf("set host name %s: %w", h.Name, err)
	}
	// MS_SLAVE: mounts made here stay here. Unmounts made outside still happen here too, so
	// we do not block them.
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

// mountHosts mounts a file from a memory file system over hostsFile. It mounts that file
// system on /sys for as long as it makes the file, because /sys is hidden afterwards
// anyway; the bind mount keeps the file system. Without a hostsFile on the machine it does
// nothing.
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

// hosts returns the lines that a lab adds at the beginning of a hostsFile (hosts(5)).
func hosts() string {
	var text strings.Builder
	for _, h := range []*Host{borea(), morgana()} {
		fmt.Fprintf(&text, "%s\t%s\n%s\t%s\n", h.IPv4, h.Name, h.IPv6, h.Name)
	}
	return text.String()
}
