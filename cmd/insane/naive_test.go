package main

import (
	"fmt"
	"net"
	"os"

	"github.com/songgao/water"
	"golang.org/x/sys/unix"
)

// naive is the relay that everybody writes first, to compare with: read a frame
// of one MTU from a TAP, write it to a packet socket. No virtio header, no
// batches, no policy. Its arguments are the names of the TAP and of the slave.
func naive() {
	if err := naiveRelay(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "naive:", err)
		os.Exit(1)
	}
}

func naiveRelay(name, slave string) error {
	tap, err := water.New(water.Config{
		DeviceType:             water.TAP,
		PlatformSpecificParams: water.PlatformSpecificParams{Name: name},
	})
	if err != nil {
		return err
	}
	link, err := net.InterfaceByName(slave)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: link.Index}); err != nil {
		return err
	}
	for buf := make([]byte, 2048); ; {
		n, err := tap.Read(buf)
		if err != nil {
			return err
		}
		if _, err := unix.Write(fd, buf[:n]); err != nil && err != unix.ENOBUFS {
			return err
		}
	}
}
