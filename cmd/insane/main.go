// The insane command makes a fault-injecting network device and runs it.
package main

import (
	"os"

	"github.com/seed-39a139a1/insane/insane/cli"
)

func main() {
	os.Exit(cli.Main(os.Args, os.Stdout, os.Stderr))
}
