//go:build !image

// The insane command makes a fault-injecting network device and runs it. Called insanely, it is
// that command: a package has one file for both, as most of what they are made of is the same.
// main.go is these; image.go is all commands in one program, for the container image.
package main

import (
	"os"
	"path/filepath"

	"github.com/seed-39a139a1/insane/insane/cli"
	control "github.com/seed-39a139a1/insane/insanely/cli"
)

func main() {
	if filepath.Base(os.Args[0]) == "insanely" {
		os.Exit(control.Main(os.Args, os.Stdout, os.Stderr, os.Getenv))
	}
	os.Exit(cli.Main(os.Args, os.Stdout, os.Stderr))
}
