// Package cni is the insane-cni command, a chained CNI plugin. It puts an insane device in front of the
// interface that the plugins before it have made for a pod, if the pod asks for that.
//
// config.go reads what the pod, the runtime and the network ask for; command.go has the operations
// of the specification; daemon.go starts and ends daemons; record.go keeps which daemon belongs to
// which attachment; name.go makes names of sockets and interfaces; install.go puts the plugin onto
// a node; chain.go writes the list of plugins; cni.go has the rest.
//
// A daemon is a process of its own, in a session and a control group of its own, which outlives
// the plugin. It ends with the network namespace of the pod, or by the operation DEL or GC.
package cni

import (
	"fmt"
	"os"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/version"
)

const about = `insane-cni is a CNI plugin: container runtimes run it. By hand:
  insane-cni install [FLAGS]   puts it onto this node, and keeps it there until a signal comes
  insane-cni remove [FLAGS]    takes it out of the list of plugins`

// Main runs the command line args, where args[0] is the name of the program, and returns the exit
// code. Without arguments it is a plugin, and does what the environment says.
func Main(args []string) int {
	if len(args) > 1 {
		if err := byHand(args[1], args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "insane-cni:", err)
			return 1
		}
		return 0
	}
	operations := skel.CNIFuncs{Add: add, Del: del, Check: check, GC: collect, Status: status}
	if err := skel.PluginMainFuncsWithError(operations, version.All, about); err != nil {
		if err := err.Print(); err != nil {
			fmt.Fprintln(os.Stderr, "insane-cni:", err)
		}
		return 1
	}
	return 0
}
