// The insane-cni command is a CNI plugin that gives pods a faulty network.
package main

import (
	"os"

	"github.com/seed-39a139a1/insane/insanely/cni"
)

func main() {
	os.Exit(cni.Main(os.Args))
}
