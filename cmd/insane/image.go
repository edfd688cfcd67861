//go:build image

package main

import (
	"os"
	"path/filepath"

	"github.com/seed-39a139a1/insane/insane/cli"
	client "github.com/seed-39a139a1/insane/insanely/cli"
	"github.com/seed-39a139a1/insane/insanely/cni"
)

// main is all commands in one program, which is half as large: the name by which it was called
// says which one is meant.
func main() {
	switch filepath.Base(os.Args[0]) {
	case "insanely":
		os.Exit(client.Main(os.Args, os.Stdout, os.Stderr, os.Getenv))
	case "insane-cni":
		os.Exit(cni.Main(os.Args))
	}
	os.Exit(cli.Main(os.Args, os.Stdout, os.Stderr))
}
