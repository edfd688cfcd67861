package cni

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/pkg/skel"
)

// maxSocket is the length of the longest path of a socket: that of sun_path without the final
// zero (unix(7)).
const maxSocket = 107

// maxLink is the length of the longest name of an interface.
const maxLink = 15

// usualLink is the interface of a pod that gets the usual name for its device.
const usualLink = "eth0"

// attachment returns the name of an interface of a container, for file names. Neither part may
// have a slash in it (skel has looked).
func attachment(container, link string) string { return container + "-" + link }

// socketPath returns the path of the control socket of a pod's device:
// pod-NAMESPACE_POD.sock. Kubernetes allows no underscore in either name. An interface other than
// the usual one is added. Without a pod it is named after the container. A name that is too long
// for a socket ends in a part of its hash.
func (c *config) socketPath(a *skel.CmdArgs) string {
	name := "cni-" + a.ContainerID
	if pod := c.args["K8S_POD_NAME"]; pod != "" {
		name = "pod-" + c.args["K8S_POD_NAMESPACE"] + "_" + pod
	}
	if a.IfName != usualLink {
		name += "_" + a.IfName
	}
	name = strings.ReplaceAll(name, "/", "_")
	const suffix = ".sock"
	if room := maxSocket - len(c.Directory) - len("/"+suffix); len(name) > room {
		hash := fmt.Sprintf("~%x", sha256.Sum256([]byte(name)))[:9]
		name = name[:max(0, room-len(hash))] + hash
	}
	return filepath.Join(c.Directory, name+suffix)
}

// deviceName returns the name of the device in front of an interface, inside the pod.
func deviceName(link string) string {
	if link == usualLink {
		return "insane"
	}
	name := "insane." + link
	return name[:min(len(name), maxLink)]
}
