package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/insanely/cni/pods/podstest"
)

// installed is insane-cni on a node, as the manifest for Kubernetes starts it.
type installed struct {
	cmd  *exec.Cmd
	list string // of plugins
	log  *os.File
}

// install starts insane-cni on a node whose pods an API server knows.
func install(t *testing.T, s *podstest.Server, directory string) *installed {
	t.Helper()
	n := t.TempDir()
	i := &installed{list: filepath.Join(n, "10-net.conflist")}
	labtest.Must(t, os.WriteFile(i.list, []byte(`{"name":"net","plugins":[{"type":"ptp"}]}`), 0o600))
	var err error
	i.log, err = os.Create(filepath.Join(n, "log"))
	labtest.Must(t, err)
	i.cmd = exec.CommandContext(t.Context(), "insane-cni", "install", "--bin="+n, "--conf="+n, "--directory="+directory, "--account="+s.Account)
	i.cmd.Env = append(os.Environ(), "KUBERNETES_SERVICE_HOST="+s.Host, "KUBERNETES_SERVICE_PORT="+s.Port, "NODE_NAME="+podstest.Node)
	i.cmd.Stdout, i.cmd.Stderr = i.log, i.log
	labtest.Must(t, i.cmd.Start())
	t.Cleanup(func() { _ = i.cmd.Process.Kill() })
	return i
}

// logs reports whether the log has a text.
func (i *installed) logs(t *testing.T, text string) func() bool {
	return func() bool {
		all, err := os.ReadFile(i.log.Name())
		labtest.Must(t, err)
		return strings.Contains(string(all), text)
	}
}

// end ends it as Kubernetes does, and fails unless the plugin is out of the list.
func (i *installed) end(t *testing.T) {
	t.Helper()
	labtest.Must(t, i.cmd.Process.Signal(syscall.SIGTERM))
	if err := i.cmd.Wait(); err != nil {
		text, _ := os.ReadFile(i.log.Name())
		t.Errorf("%v:\n%s", err, text)
	}
	if list, err := os.ReadFile(i.list); err != nil || bytes.Contains(list, []byte("insane-cni")) {
		t.Errorf("%v: the list is\n%s", err, list)
	}
}

var roundTrip = regexp.MustCompile(`= ([0-9.]+)/`)

// delay returns the shortest of three round trips to morgana, in milliseconds.
func (p *pod) delay(t *testing.T) float64 {
	t.Helper()
	out := labtest.Run(t, p.lab.Borea, "ping", "-q", "-c", "3", "-i", "0.2", "-W", "5", p.lab.Morgana.IPv4.String())
	ms, err := strconv.ParseFloat(roundTrip.FindStringSubmatch(out)[1], 64)
	labtest.Must(t, err)
	return ms
}

// annotatedPod is a pod that has a device and runs, and the API server that knows it.
type annotatedPod struct {
	*pod
	server *podstest.Server
	device *insanely.Client
}

// newAnnotatedPod makes a pod with the policy pass, as ADD does it.
func newAnnotatedPod(t *testing.T) *annotatedPod {
	t.Helper()
	a := &annotatedPod{pod: newPod(t, labtest.New(t), directory(t), "one"), server: podstest.New(t)}
	a.settings = map[string]any{"required": true, "rxPolicy": "delay 1ms", "runtimeConfig": annotated("pass")}
	a.annotate("insane/policy", "pass")
	a.must(t, "ADD", nil)
	a.device = insanely.Dial(filepath.Join(a.directory, "pod-default_web.sock"))
	t.Cleanup(func() { a.device.Close() })
	return a
}

// annotate gives the pod other annotations.
func (a *annotatedPod) annotate(pairs ...string) { a.server.Put(podstest.Pod("web", pairs...)) }

// has returns a function that reports whether the device has policies.
func (a *annotatedPod) has(t *testing.T, tx, rx string) func() bool {
	return func() bool {
		t.Helper()
		info, err := a.device.Info(t.Context())
		labtest.Must(t, err)
		return info.TX.Policy == tx && info.RX.Policy == rx
	}
}

// A pod that runs has what its annotations say, also when they change: a delay, losses, and what the
// configuration says when they are gone. One that makes no sense changes nothing. After DEL
// nothing is left, and nothing comes back.
func TestAnnotate(t *testing.T) {
	t.Parallel()
	p := newAnnotatedPod(t)
	node := install(t, p.server, p.directory)
	p.annotate("insane/policy", "delay 40ms")
	labtest.Await(t, "the delay", p.has(t, "delay 40ms", "pass"))
	if ms := p.delay(t); ms < 40 {
		t.Errorf("a round trip takes %v ms, with a delay of 40", ms)
	}
	p.annotate("insane/policy", "percent 0")
	labtest.Await(t, "the losses", p.has(t, "percent 0", "pass"))
	if p.reaches(t) {
		t.Error("percent 0 lets a packet through")
	}
	p.annotate("insane/policy", "percent 800")
	labtest.Await(t, "a line about it", node.logs(t, `pod=default/web annotation=insane/policy value="percent 800"`))
	if !p.has(t, "percent 0", "pass")() {
		t.Error("a policy that makes no sense has changed something")
	}
	p.annotate()
	labtest.Await(t, "the end of losses", p.has(t, "pass", "delay 1ms"))
	if !p.reaches(t) {
		t.Error("pass loses a packet")
	}
	labtest.Await(t, "no delay", func() bool { return p.delay(t) < 40 })
	p.must(t, "DEL", nil)
	p.annotate("insane/policy", "percent 0") // late
	p.server.Put(podstest.Pod("later", "insane/policy", "percent 0"))
	labtest.Await(t, "the events", node.logs(t, "pod=default/later"))
	p.left(t)
	node.end(t)
}

// A policy set by hand stays when the follower begins, and when it begins anew.
func TestAnnotateByHand(t *testing.T) {
	t.Parallel()
	p := newAnnotatedPod(t)
	begin := func(tx, rx string) *installed {
		_, err := p.device.Set(t.Context(), api.Change{TX: &tx})
		labtest.Must(t, err)
		node := install(t, p.server, p.directory)
		labtest.Await(t, "to follow", node.logs(t, "follows the pods"))
		if !p.has(t, tx, rx)() {
			t.Error("the follower undoes what was set by hand")
		}
		return node
	}
	node := begin("percent 50", "pass")
	p.annotate("insane/policy", "percent 60", "insane/rx-policy", "percent 70")
	labtest.Await(t, "the annotations", p.has(t, "percent 60", "percent 70"))
	node.end(t)
	node = begin("percent 80", "percent 70")
	node.end(t)
	p.must(t, "DEL", nil)
	p.left(t)
}

// Without a service account the plugin is installed all the same, and one line says what is not done.
func TestInstallAlone(t *testing.T) {
	s := podstest.New(t)
	labtest.Must(t, os.Remove(filepath.Join(s.Account, "token")))
	node := install(t, s, directory(t))
	labtest.Await(t, "a line about it", node.logs(t, "no service account"))
	labtest.Await(t, "the plugin", func() bool {
		list, err := os.ReadFile(node.list)
		labtest.Must(t, err)
		return bytes.Contains(list, []byte(`"insane-cni"`))
	})
	node.end(t)
	all, err := os.Open(node.log.Name())
	labtest.Must(t, err)
	defer all.Close()
	if text, _ := io.ReadAll(all); bytes.Count(text, []byte("follow")) != 1 {
		t.Errorf("log:\n%s", text)
	}
}
