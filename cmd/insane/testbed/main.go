package testbed

import (
	"maps"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	daemoncli "github.com/seed-39a139a1/insane/insane/cli"
	"github.com/seed-39a139a1/insane/insanely/cli"
)

// Main is for TestMain. The test binary itself is the commands under test: insane, insanely
// and those in more. Their names in PATH lead to it, so the commands have the race detector
// if the test has it.
func Main(m *testing.M, more map[string]func()) {
	commands := map[string]func(){
		"insane":   func() { os.Exit(daemoncli.Main(os.Args, os.Stdout, os.Stderr)) },
		"insanely": func() { os.Exit(cli.Main(os.Args, os.Stdout, os.Stderr, os.Getenv)) },
	}
	maps.Copy(commands, more)
	testscript.Main(m, commands)
}
