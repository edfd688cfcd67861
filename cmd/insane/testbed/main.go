package testbed

import (
	"maps"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	daemoncli "github.com/seed-39a139a1/insane/insane/cli"
	"github.com/seed-39a139a1/insane/insanely/cli"
)

// Main is for TestMain. It makes the test binary the commands under test, insane
// and insanely, and those of more: it stands in PATH under their names, and so what
// a test starts was built with the race detector if the test was.
func Main(m *testing.M, more map[string]func()) {
	commands := map[string]func(){
		"insane":   func() { os.Exit(daemoncli.Main(os.Args, os.Stdout, os.Stderr)) },
		"insanely": func() { os.Exit(cli.Main(os.Args, os.Stdout, os.Stderr, os.Getenv)) },
	}
	maps.Copy(commands, more)
	testscript.Main(m, commands)
}
