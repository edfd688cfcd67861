package api

import (
	"errors"
	"fmt"
	"strings"
)

// maxName is the length in bytes of the longest name of an interface: IFNAMSIZ without the
// final zero.
const maxName = 15

// CheckName returns nil if a network interface can have the name. Otherwise the error says
// why not; it does not contain the name. CheckName refuses the same names as the kernel
// (net/core/dev.c, dev_valid_name and __dev_alloc_name). So no valid name leads out of
// SocketDir.
func CheckName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return errors.New("not a name for an interface")
	case name == "all" || name == "default":
		// net/ipv4/devinet.c, sysctl_dev_name_is_allowed
		return errors.New("the kernel means every interface by it")
	case len(name) > maxName:
		return fmt.Errorf("longer than %d bytes", maxName)
	case strings.ContainsAny(name, "/:%\x00 \t\n\v\f\r"):
		return errors.New("has one of / : % or white space in it")
	case strings.IndexByte(name, 0xa0) >= 0:
		// lib/ctype.c: the kernel reads bytes as ISO 8859-1, in which this byte is a space.
		// In UTF-8 it is a part of à and of other letters.
		return errors.New("has the byte a0 in it, which is white space to the kernel")
	}
	return nil
}
