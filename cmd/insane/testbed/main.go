package testbed

import (
	"fmt"
	"maps"
	"os"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	daemoncli "github.com/seed-39a139a1/insane/insane/cli"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/cli"
)

// Main is for TestMain. The test binary itself is the commands under test: insane, insanely
// and those in more. Their names in PATH lead to it, so the commands have the race detector
// if the test has it. If there is a labtest.Launcher, that is insane.
func Main(m *testing.M, more map[string]func()) {
	commands := map[string]func(){
		"insane":   insane,
		"insanely": func() { os.Exit(cli.Main(os.Args, os.Stdout, os.Stderr, os.Getenv)) },
	}
	maps.Copy(commands, more)
	testscript.Main(m, commands)
}

// insane is the command insane. It does not return.
func insane() {
	if launcher := labtest.Launcher(); launcher != "" {
		err := syscall.Exec(launcher, os.Args, os.Environ())
		fmt.Fprintf(os.Stderr, "execute %s: %v\n", launcher, err)
		os.Exit(125)
	}
	os.Exit(daemoncli.Main(os.Args, os.Stdout, os.Stderr))
}
