package cni

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const list = `{"name":"net", "cniVersion":"1.0.0", "disableCheck": true, "plugins":[
  {"type":"ptp","ipam":{"type":"host-local","subnet":"10.0.0.0/24"},"n":12345678901234567890},
  {"type":"portmap","capabilities":{"portMappings":true}}]}`

// newNode makes a node with a list of plugins, and another list that the runtime does not use.
func newNode(t *testing.T) *node {
	t.Helper()
	n := &node{bin: t.TempDir(), conf: t.TempDir(), entry: entry{Type: pluginType, Capabilities: map[string]bool{"x": true}}}
	for name, text := range map[string]string{"10-net.conflist": list, "20-other.conflist": list, "README": ""} {
		if err := os.WriteFile(filepath.Join(n.conf, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// types returns the types of the plugins in the list that the runtime uses, in order.
func (n *node) types(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(n.conf, "10-net.conflist"))
	if err != nil {
		t.Fatal(err)
	}
	var l struct {
		Plugins      []struct{ Type string }
		DisableCheck bool
	}
	if err := json.Unmarshal(text, &l); err != nil || !l.DisableCheck || !strings.Contains(string(text), "12345678901234567890") {
		t.Errorf("%v: the rest of the list has changed:\n%s", err, text)
	}
	var types []string
	for _, p := range l.Plugins {
		types = append(types, p.Type)
	}
	return strings.Join(types, " ")
}

// The plugin comes last, once, however often it is put there; a list that is written anew has it
// again; and it can be taken out.
func TestJoin(t *testing.T) {
	n := newNode(t)
	step := func(e *entry, wantChanged bool, want string) {
		t.Helper()
		changed, err := n.join(e)
		if err != nil || changed != wantChanged {
			t.Errorf("changed %v, %v", changed, err)
		}
		if got := n.types(t); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	step(nil, false, "ptp portmap")
	step(&n.entry, true, "ptp portmap insane-cni")
	step(&n.entry, false, "ptp portmap insane-cni")
	n.entry.Policy = "percent 50"
	step(&n.entry, true, "ptp portmap insane-cni")
	step(nil, true, "ptp portmap")
	step(nil, false, "ptp portmap")
	other, err := os.ReadFile(filepath.Join(n.conf, "20-other.conflist"))
	if err != nil || string(other) != list {
		t.Errorf("%v: another list has changed: %s", err, other)
	}
}

// A directory without a list of plugins, or with one that cannot be extended, is left alone.
func TestJoinRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"": "", "10-net.conf": `{"type":"ptp"}`, "10-net.conflist": `{"plugins":[]}`, "10.conflist": `{"plugins":7}`, "1.conflist": `nonsense`,
	} {
		n := &node{conf: t.TempDir(), entry: entry{Type: pluginType}}
		path := filepath.Join(n.conf, name)
		if name != "" {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if changed, err := n.join(&n.entry); changed || err == nil {
			t.Errorf("%s %s: changed %v, %v", name, text, changed, err)
		}
		if now, _ := os.ReadFile(path); name != "" && string(now) != text {
			t.Errorf("%s: %s", name, now)
		}
	}
}

// At the end the plugin is taken out of the list, and the programs stay.
func TestInstall(t *testing.T) {
	n := newNode(t)
	own := t.TempDir()
	for _, name := range []string{"insane", pluginType} {
		if err := os.WriteFile(filepath.Join(own, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n.once = true
	if err := n.install(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	if got := n.types(t); got != "ptp portmap insane-cni" {
		t.Error(got)
	}
	n.once = false
	ended, end := context.WithCancel(t.Context())
	end()
	if err := n.install(ended, own); err != nil {
		t.Fatal(err)
	}
	if got := n.types(t); got != "ptp portmap" {
		t.Error(got)
	}
	for _, name := range []string{"insane", pluginType} {
		text, err := os.ReadFile(filepath.Join(n.bin, name))
		info, errStat := os.Stat(filepath.Join(n.bin, name))
		if err != nil || errStat != nil || string(text) != name || info.Mode() != 0o755 {
			t.Errorf("%s: %q %v %v %v", name, text, info, err, errStat)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(n.bin, ".*")); len(files) > 0 {
		t.Errorf("left: %s", files)
	}
}
