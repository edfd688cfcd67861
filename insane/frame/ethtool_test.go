//go:build !fuzz

package frame_test

import (
	"bytes"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// setFeatures turns offloads off at the near end and features on at the far one.
func (v *veth) setFeatures() error {
	if v.cut {
		// The kernel does what the device cannot do, before the device gets the frame.
		for _, off := range []uint32{unix.ETHTOOL_SGSO, unix.ETHTOOL_STSO, unix.ETHTOOL_STXCSUM, unix.ETHTOOL_SSG} {
			value := struct{ command, value uint32 }{off, 0} // struct ethtool_value
			if err := ethtool(v.near, "near", unsafe.Pointer(&value)); err != nil {
				return err
			}
		}
	}
	for _, name := range v.features {
		if err := enable(v.far, "far", name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// Numbers of linux/ethtool.h.
const (
	gstringLen  = 32  // ETH_GSTRING_LEN
	ssFeatures  = 4   // ETH_SS_FEATURES
	maxFeatures = 256 // more than any kernel has
)

// enable turns a feature of a link on, by the name that the kernel gives it. Which
// bit that is differs from kernel to kernel (linux/ethtool.h, ETHTOOL_GSTRINGS).
func enable(fd int, link, name string) error {
	var names struct {
		command, set, length uint32
		data                 [maxFeatures][gstringLen]byte
	}
	count := struct {
		command, reserved uint32
		mask              uint64
		length            uint32
	}{command: unix.ETHTOOL_GSSET_INFO, mask: 1 << ssFeatures}
	if err := ethtool(fd, link, unsafe.Pointer(&count)); err != nil {
		return err
	}
	if count.length > maxFeatures {
		return fmt.Errorf("%d features, want %d at most", count.length, maxFeatures)
	}
	names.command, names.set = unix.ETHTOOL_GSTRINGS, ssFeatures
	if err := ethtool(fd, link, unsafe.Pointer(&names)); err != nil {
		return err
	}
	for bit, padded := range names.data[:count.length] {
		if !bytes.Equal(bytes.TrimRight(padded[:], "\x00"), []byte(name)) {
			continue
		}
		var wish struct { // struct ethtool_sfeatures
			command, size uint32
			blocks        [maxFeatures / 32]struct{ valid, requested uint32 }
		}
		wish.command, wish.size = unix.ETHTOOL_SFEATURES, (count.length+31)/32
		wish.blocks[bit/32].valid, wish.blocks[bit/32].requested = 1<<(bit%32), 1<<(bit%32)
		return ethtool(fd, link, unsafe.Pointer(&wish))
	}
	return os.ErrNotExist
}

// ethtool asks the driver of a link for something; data begins with a command.
func ethtool(fd int, link string, data unsafe.Pointer) error {
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // the rest of union ifr_ifru
	}{data: data}
	copy(request.name[:], link)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return fmt.Errorf("ethtool command %#x: %w", *(*uint32)(data), errno)
	}
	return nil
}
