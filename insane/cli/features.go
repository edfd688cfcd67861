package cli

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/seed-39a139a1/insane/insane/kern"
	"github.com/seed-39a139a1/insane/insane/rights"
	"github.com/seed-39a139a1/insane/insanely/version"
)

// Where Linux tells its release, and where it makes interfaces.
const (
	releasePath = "/proc/sys/kernel/osrelease"
	tunPath     = "/dev/net/tun"
)

// features returns what --version says of the kernel, as this process may use it: its release,
// the device that makes interfaces, the capabilities, eBPF, and tcx. It makes nothing.
func features() string {
	release, err := os.ReadFile(releasePath)
	if err != nil {
		release = []byte("(unknown)")
	}
	kernel := kern.Probe()
	return version.Line("linux", strings.TrimSpace(string(release))) +
		version.Line("tun", yes(openTun())) +
		version.Line("rights", held()) +
		version.Line("ebpf", yes(kernel.EBPF)) +
		version.Line("tcx", yes(kernel.TCX))
}

// openTun finds out whether the process may make an interface, as far as the file tells.
func openTun() error {
	file, err := os.OpenFile(tunPath, os.O_RDWR, 0)
	var path *fs.PathError
	switch {
	case err == nil:
		return file.Close()
	case errors.As(err, &path):
		return errors.New(tunPath + ": " + path.Err.Error())
	}
	return err
}

// held names the capabilities that the process has of those that a daemon needs.
func held() string {
	names, err := rights.Held()
	switch {
	case err != nil:
		return "(unknown)"
	case len(names) == 0:
		return "none"
	}
	return strings.Join(names, " ")
}

// yes says whether something is there, and why not.
func yes(missing error) string {
	if missing == nil {
		return "yes"
	}
	return "no: " + missing.Error()
}
