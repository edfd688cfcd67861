package examples_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// processes are the directories in /proc of all processes that have mark in their environment,
// and of those that are in a process namespace with one of them. An engine of containers gives
// its programs another environment.
func processes(t *testing.T, mark string) (dirs []string) {
	t.Helper()
	own, err := os.Readlink("/proc/self/ns/pid")
	labtest.Must(t, err)
	all, err := filepath.Glob("/proc/[0-9]*")
	labtest.Must(t, err)
	marked, spaces := make(map[string]bool), make(map[string]bool)
	for _, dir := range all {
		// A process that has ended meanwhile has no environment.
		if env, _ := os.ReadFile(dir + "/environ"); bytes.Contains(env, []byte(mark+"\x00")) {
			marked[dir] = true
			if space, _ := os.Readlink(dir + "/ns/pid"); space != own {
				spaces[space] = true
			}
		}
	}
	delete(spaces, "")
	for _, dir := range all {
		if space, _ := os.Readlink(dir + "/ns/pid"); marked[dir] || spaces[space] {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// running are the names of these processes.
func running(t *testing.T, mark string) map[string]bool {
	names := make(map[string]bool)
	for _, dir := range processes(t, mark) {
		name, _ := os.ReadFile(dir + "/comm")
		names[strings.TrimSpace(string(name))] = true
	}
	return names
}

// namespaces are the network namespaces of these processes, but for that of the test.
func namespaces(t *testing.T, mark string) map[string]bool {
	own, err := os.Readlink("/proc/self/ns/net")
	labtest.Must(t, err)
	spaces := make(map[string]bool)
	for _, dir := range processes(t, mark) {
		if space, _ := os.Readlink(dir + "/ns/net"); space != "" && space != own {
			spaces[space] = true
		}
	}
	return spaces
}

// kept reports whether a process is in one of the namespaces, or keeps it by a file.
func kept(t *testing.T, spaces map[string]bool) bool {
	t.Helper()
	for _, pattern := range []string{"/proc/[0-9]*/task/*/ns/net", "/proc/[0-9]*/fd/*"} {
		links, err := filepath.Glob(pattern)
		labtest.Must(t, err)
		for _, link := range links {
			if target, _ := os.Readlink(link); spaces[target] {
				return true
			}
		}
	}
	return false
}

// checkGone fails unless all processes with the mark end, nothing keeps one of the network
// namespaces, and this one has no interface that they could have made.
func checkGone(t *testing.T, mark string, spaces map[string]bool) {
	t.Helper()
	labtest.Await(t, "the end of all processes", func() bool { return len(processes(t, mark)) == 0 })
	// The kernel may give their numbers to namespaces of others, for a while.
	labtest.Await(t, "the end of the network namespaces", func() bool { return !kept(t, spaces) })
	if _, err := net.InterfaceByName("insane"); err == nil {
		t.Error("there is an interface insane")
	}
	if _, err := os.Stat("/run/www"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("files of the experiment: %v", err)
	}
}
