// The tests of this directory run the real commands against the real kernel:
// two hosts in network namespaces, a veth pair, a TAP, programs that nobody
// here wrote. They need root.
package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	daemoncli "github.com/seed-39a139a1/insane/insane/cli"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/insanely/cli"
)

// TestMain makes the test binary the commands under test, and the one to compare
// with: it stands in PATH under their names.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"insane":   func() { os.Exit(daemoncli.Main(os.Args, os.Stdout, os.Stderr)) },
		"insanely": func() { os.Exit(cli.Main(os.Args, os.Stdout, os.Stderr, os.Getenv)) },
		"naive":    naive,
	})
}

// requireRoot skips a test that needs root, or fails it where INSANE_ROOT says
// that root is promised.
func requireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("INSANE_ROOT") == "1" {
		t.Fatal("INSANE_ROOT=1, but the tests do not run as root")
	}
	t.Skip("needs root")
}

// newLab makes two hosts that go with the test.
func newLab(t testing.TB) *lab.Lab {
	t.Helper()
	requireRoot(t)
	l, err := lab.New(lab.Options{Insane: []string{"insane"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close lab: %v", err)
		}
	})
	return l
}

// newDaemon starts the device in borea. When the test ends it is stopped, and it
// must stop well; a race that the detector found in it fails the test.
func newDaemon(t testing.TB, l *lab.Lab, args ...string) *lab.Daemon {
	t.Helper()
	d, err := l.Daemon(context.Background(), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		select {
		default:
			if err := d.Stop(); err != nil {
				t.Errorf("stop daemon: %v\n%s", err, d.Logs())
			}
		case <-exited(d):
		}
		if strings.Contains(d.Logs(), "DATA RACE") || strings.Contains(d.Logs(), "panic:") {
			t.Errorf("daemon is broken:\n%s", d.Logs())
		}
	})
	return d
}

// exited is closed if the daemon has ended already.
func exited(d *lab.Daemon) <-chan struct{} {
	ended := make(chan struct{})
	done := make(chan struct{})
	go func() {
		d.Wait()
		close(done)
	}()
	select {
	case <-done:
		close(ended)
	case <-time.After(10 * time.Millisecond):
	}
	return ended
}

// set changes the device and returns the state read back.
func set(t testing.TB, d *lab.Daemon, c api.Change) api.Info {
	t.Helper()
	info, err := d.Client.Set(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// info is the state of the device.
func info(t testing.TB, d *lab.Daemon) api.Info {
	t.Helper()
	i, err := d.Client.Info(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// checkCounters fails if the counters of a direction do not balance.
func checkCounters(t testing.TB, s api.Stats) {
	t.Helper()
	sum := s.Relayed.Packets + s.Held.Packets
	for _, c := range s.Dropped {
		sum += c.Packets
	}
	if sum != s.Offered.Packets {
		t.Errorf("counters do not balance: offered %d, accounted for %d: %+v", s.Offered.Packets, sum, s)
	}
	var stages api.Count
	for _, c := range s.Stages {
		stages.Packets += c.Packets
		stages.Bytes += c.Bytes
	}
	if stages != s.Dropped[api.DropPolicy] {
		t.Errorf("the stages dropped %v in all, the policy %v: %+v", stages, s.Dropped[api.DropPolicy], s)
	}
}
