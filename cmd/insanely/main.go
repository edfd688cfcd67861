// The insanely command controls a running insane daemon.
package main

import (
	"os"

	"github.com/seed-39a139a1/insane/insanely/cli"
)

func main() {
	os.Exit(cli.Main(os.Args, os.Stdout, os.Stderr, os.Getenv))
}
