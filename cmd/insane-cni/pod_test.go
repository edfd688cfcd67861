package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/cni"
)

func TestMain(m *testing.M) {
	testbed.Main(m, map[string]func(){"insane-cni": main})
}

// pod is a host of a lab as a runtime shows a pod to its plugins.
type pod struct {
	lab       *lab.Lab
	directory string // of sockets and records
	container string
	netns     string
	settings  map[string]any // of the plugin, beside those that every list has
}

func newPod(t *testing.T, l *lab.Lab, directory, container string) *pod {
	t.Helper()
	sleep := l.Borea.Command(t.Context(), "sleep", "600")
	labtest.Must(t, sleep.Start())
	t.Cleanup(func() { _ = sleep.Process.Kill(); _ = sleep.Wait() })
	return &pod{lab: l, directory: directory, container: container, settings: map[string]any{},
		netns: fmt.Sprintf("/proc/%d/ns/net", sleep.Process.Pid)}
}

// does has the plugin do an operation, and returns what it says, or its error.
func (p *pod) does(t *testing.T, operation string, more map[string]any) (out string, err error) {
	t.Helper()
	conf := map[string]any{"cniVersion": "1.1.0", "name": "net", "type": "insane-cni", "directory": p.directory}
	if operation == "ADD" || operation == "CHECK" {
		conf["prevResult"] = map[string]any{"cniVersion": "1.1.0",
			"interfaces": []any{map[string]string{"name": "eth0", "sandbox": p.netns}},
			"ips":        []any{map[string]any{"address": "10.9.0.1/24", "interface": 0}}}
	}
	for _, m := range []map[string]any{p.settings, more} {
		for name, value := range m {
			conf[name] = value
		}
	}
	text, err := json.Marshal(conf)
	labtest.Must(t, err)
	cmd := exec.CommandContext(t.Context(), "insane-cni")
	cmd.Stdin = strings.NewReader(string(text))
	cmd.Env = append(os.Environ(), "CNI_COMMAND="+operation, "CNI_CONTAINERID="+p.container, "CNI_NETNS="+p.netns, "CNI_IFNAME=eth0",
		"CNI_PATH=/", "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_UID=uid-web", "GORACE=atexit_sleep_ms=10")
	said, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return string(said), err
}

func (p *pod) must(t *testing.T, operation string, more map[string]any) string {
	t.Helper()
	out, err := p.does(t, operation, more)
	if err != nil {
		t.Fatalf("%s: %v", operation, err)
	}
	return out
}

// daemon returns the process that a record names.
func (p *pod) daemon(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.directory, "cni", p.container+"-eth0.json"))
	labtest.Must(t, err)
	var r struct{ Process int }
	labtest.Must(t, json.Unmarshal(text, &r))
	return r.Process
}

// reaches reports whether morgana answers the pod.
func (p *pod) reaches(t *testing.T) bool {
	t.Helper()
	return p.lab.Borea.Command(t.Context(), "ping", "-c", "1", "-W", "1", p.lab.Morgana.IPv4.String()).Run() == nil
}

// left fails unless nothing of any pod is left but an empty directory, and no device.
func (p *pod) left(t *testing.T) {
	t.Helper()
	for _, pattern := range []string{"*.sock", "cni/*"} {
		if files, err := filepath.Glob(filepath.Join(p.directory, pattern)); err != nil || len(files) > 0 {
			t.Errorf("left: %s, %v", files, err)
		}
	}
	if out := labtest.Run(t, p.lab.Borea, "ip", "link"); strings.Contains(out, "insane") {
		t.Errorf("a device is left:\n%s", out)
	}
}

// directory returns one that a daemon puts its socket into.
func directory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "insane-cni-")
	labtest.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	labtest.Must(t, os.Chmod(dir, 0o755))
	return dir
}

func annotated(policy string) map[string]any {
	return map[string]any{"io.kubernetes.cri.pod-annotations": map[string]string{"insane/policy": policy}}
}

// A pod that asks for a device has it when ADD is done, its policy can be changed by the name of the
// pod, and nothing is left of it after DEL, however the daemon ends.
func TestPod(t *testing.T) {
	t.Parallel()
	p := newPod(t, labtest.New(t), directory(t), "one")
	if out := p.must(t, "ADD", nil); strings.Contains(out, "insane") {
		t.Errorf("a pod that asks for nothing has %s", out)
	}
	p.left(t)
	p.settings = map[string]any{"required": true, "runtimeConfig": annotated("percent 0")}
	p.must(t, "STATUS", nil)
	if out := p.must(t, "ADD", nil); !strings.Contains(out, `"name": "insane"`) || !strings.Contains(out, "10.9.0.1/24") {
		t.Errorf("the result is %s", out)
	}
	if p.reaches(t) {
		t.Error("percent 0 lets a packet through")
	}
	p.must(t, "CHECK", nil)
	socket := filepath.Join(p.directory, "pod-default_web.sock")
	change := exec.CommandContext(t.Context(), "insanely", "--socket", socket, "eth0", "pass")
	if out, err := change.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if !p.reaches(t) {
		t.Error("pass loses a packet")
	}
	p.must(t, "DEL", nil)
	p.left(t)
	p.must(t, "DEL", nil)
	p.must(t, "ADD", nil)
	labtest.Must(t, syscall.Kill(p.daemon(t), syscall.SIGKILL))
	labtest.Await(t, "the daemon to be gone", p.brokenCheck(t))
	if !p.reaches(t) {
		t.Error("a killed daemon has taken the network along")
	}
	p.must(t, "DEL", nil)
	p.left(t)
}

// brokenCheck returns a function that reports whether CHECK fails.
func (p *pod) brokenCheck(t *testing.T) func() bool {
	return func() bool {
		_, err := p.does(t, "CHECK", nil)
		return err != nil && strings.Contains(err.Error(), "daemon has ended")
	}
}

// A stopped daemon ends with DEL, too.
func TestStopped(t *testing.T) {
	t.Parallel()
	p := newPod(t, labtest.New(t), directory(t), "one")
	p.settings["policy"] = "percent 0"
	p.must(t, "ADD", nil)
	labtest.Must(t, syscall.Kill(p.daemon(t), syscall.SIGSTOP))
	p.must(t, "DEL", nil)
	p.left(t)
}

// A plugin that fails keeps a pod from starting only if it is told to. Either way no process is
// left, and the error says why.
func TestFails(t *testing.T) {
	t.Parallel()
	p := newPod(t, labtest.New(t), directory(t), "one")
	for name, settings := range map[string]map[string]any{
		"policy":  {"policy": "percent 800"},
		"program": {"policy": "pass", "program": "/nowhere/insane"},
		"ends":    {"policy": "pass", "program": "/bin/false"},
	} {
		p.settings = settings
		if out := p.must(t, "ADD", nil); strings.Contains(out, `"name": "insane"`) || !strings.Contains(out, "10.9.0.1/24") || !strings.Contains(out, "there is no device: ") {
			t.Errorf("%s: the result is %s", name, out)
		}
		if p.daemon(t) != 0 {
			t.Errorf("%s: a process is there", name)
		}
		p.must(t, "CHECK", nil)
		p.must(t, "DEL", nil)
		p.left(t)
	}
	p.settings["required"] = true
	if out, err := p.does(t, "ADD", nil); err == nil || !strings.Contains(err.Error(), `"code": 100`) {
		t.Errorf("a pod that must have a device starts without: %s, %v", out, err)
	}
	p.must(t, "DEL", nil)
	p.left(t)
}

// GC ends what belongs to this network and is not there any more, and nothing else. A new
// container of a pod takes the name over from the one before.
func TestCollect(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	one, two := newPod(t, labtest.New(t), dir, "one"), newPod(t, labtest.New(t), dir, "two")
	for _, p := range []*pod{one, two} {
		p.settings["policy"] = "percent 0"
	}
	one.must(t, "ADD", nil)
	two.must(t, "ADD", nil)
	if files, _ := filepath.Glob(filepath.Join(dir, "cni", "one*")); len(files) > 0 {
		t.Errorf("the earlier container has %s", files)
	}
	one.must(t, "DEL", nil) // late
	if two.reaches(t) {
		t.Error("the end of the earlier container has ended the device of the later one")
	}
	two.must(t, "GC", map[string]any{"name": "other"})
	two.must(t, "GC", map[string]any{"cni.dev/valid-attachments": []any{map[string]string{"containerID": "two", "ifname": "eth0"}}})
	if two.reaches(t) {
		t.Error("GC has ended what is valid")
	}
	two.must(t, "GC", map[string]any{"cni.dev/valid-attachments": []any{map[string]string{"containerID": "two", "ifname": "net1"}}})
	two.left(t)
	if code := cni.Main([]string{"insane-cni", "nonsense"}); code != 1 {
		t.Errorf("nonsense ends with %d", code)
	}
}
