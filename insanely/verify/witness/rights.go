package witness

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// ErrRights is the error of Open if the process lacks a right. The message names it.
var ErrRights = errors.New("not permitted")

// lacking wraps an error of something that needs a capability.
func lacking(capability, doing string, err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%s: %w: it needs %s", doing, ErrRights, capability)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
