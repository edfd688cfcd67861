package cni

import (
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/skel"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// Sockets are named after the pod, or the container. No two pods have one name, and each name
// is one that a socket can have.
func TestSocketPath(t *testing.T) {
	long := strings.Repeat("a", 253)
	seen := make(map[string]string)
	for _, tt := range []struct{ args, link, want string }{
		{"K8S_POD_NAMESPACE=default;K8S_POD_NAME=web", "eth0", "/run/insane/pod-default_web.sock"},
		{"K8S_POD_NAMESPACE=default;K8S_POD_NAME=web", "net1", "/run/insane/pod-default_web_net1.sock"},
		{"K8S_POD_NAMESPACE=a-b;K8S_POD_NAME=c", "eth0", "/run/insane/pod-a-b_c.sock"},
		{"K8S_POD_NAMESPACE=a;K8S_POD_NAME=b-c", "eth0", "/run/insane/pod-a_b-c.sock"},
		{"", "eth0", "/run/insane/cni-0123.sock"},
		{"K8S_POD_NAMESPACE=..;K8S_POD_NAME=../x", "eth0", "/run/insane/pod-.._.._x.sock"},
		{"K8S_POD_NAMESPACE=default;K8S_POD_NAME=" + long + "b", "eth0", ""},
		{"K8S_POD_NAMESPACE=default;K8S_POD_NAME=" + long + "c", "eth0", ""},
	} {
		c := conf(t, `{}`, tt.args)
		got := c.socketPath(&skel.CmdArgs{ContainerID: "0123", IfName: tt.link})
		if tt.want != "" && got != tt.want || len(got) > maxSocket || !strings.HasPrefix(got, "/run/insane/") || strings.Count(got, "/") != 3 {
			t.Errorf("%s %s: %s, want %s", tt.args, tt.link, got, tt.want)
		}
		if other, there := seen[got]; there {
			t.Errorf("%s is the socket of %s and of %s", got, other, tt.args)
		}
		seen[got] = tt.args
	}
}

// Each device has a name that an interface can have, and not that of its slave.
func TestDeviceName(t *testing.T) {
	for _, link := range []string{"eth0", "net1", "x", "a-very-long-nic", "insane"} {
		name := deviceName(link)
		if err := api.CheckName(name); err != nil || name == link {
			t.Errorf("%s: %s: %v", link, name, err)
		}
	}
	if deviceName("eth0") != "insane" || deviceName("net1") == deviceName("net2") {
		t.Error(deviceName("eth0"), deviceName("net1"), deviceName("net2"))
	}
}
