// Package cni is the insane-cni command, a chained CNI plugin. It puts an insane device in front of the
// interface that the plugins before it have made for a pod, if the pod asks for that.
//
// config.go reads what the pod, the runtime and the network ask for; command.go has the operations
// of the specification; daemon.go starts and ends daemons; record.go keeps which daemon belongs to
// which attachment; name.go makes names of sockets and interfaces; install.go puts the plugin onto
// a node; chain.go writes the list of plugins; follow.go brings annotations into force on pods that
// run; applied.go keeps which ones that were; cni.go has the rest.
//
// A daemon is a process of its own, in a session and a control group of its own, which outlives
// the plugin. It ends with the network namespace of the pod, or by the operation DEL or GC.
//
// Annotations of a pod that runs are compared with what they asked for when that was last brought
// into force, by ADD or later; that stands beside the record of the attachment. Only what differs changes the
// device. So a policy that a person sets by hand stays until the annotation becomes another one, also
// when the process that follows the pods begins anew.
package cni

import (
	"fmt"
	"os"
	"slices"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/version"
)

const about = `insane-cni is a CNI plugin: container runtimes run it. By hand:
  insane-cni install [FLAGS]   puts it onto this node, and keeps it there until
                               a signal comes; meanwhile it follows the
                               annotations of pods that run, if it has a service
                               account of Kubernetes
  insane-cni remove [FLAGS]    takes it out of the list of plugins
  insane-cni install --help    tells of the flags`

// Main runs the command line args, where args[0] is the name of the program, and returns the exit
// code. Without arguments it is a plugin, and does what the environment says.
func Main(args []string) int {
	if len(args) > 1 && slices.Contains([]string{"help", "-h", "-help", "--help"}, args[1]) {
		fmt.Println(about)
		return 0
	}
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
