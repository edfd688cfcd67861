package slave

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestCountersNeverFall reads all counters while the interface and the slave are renamed,
// the slave is exchanged, the path and the policy change, and traffic flows. No counter ever
// falls, or wraps to a number near 2⁶⁴.
func TestCountersNeverFall(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	testbed.PlugSecond(t, l)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--address", "10.8.0.1/24", "--route", "10.9.0.2", "--route", "fd00:9::2",
		"--policy", "percent 90 every 7", "--log-level", "error")
	stop := testbed.Flood(t, l)
	defer stop()
	dropSome(t, l)
	changed, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		watchCounters(t, d, changed)
	}()
	for n := range testbed.Soak(t, 12) {
		labtest.Must(t, l.Borea.Netlink().LinkSetName(labtest.LinkOf(t, l.Borea, "insane"), "elsewhere"))
		labtest.Must(t, l.Borea.Netlink().LinkSetName(labtest.LinkOf(t, l.Borea, "elsewhere"), "insane"))
		labtest.Must(t, l.Borea.Netlink().LinkSetName(labtest.LinkOf(t, l.Borea, "eth1"), "wire1"))
		labtest.Must(t, l.Borea.Netlink().LinkSetName(labtest.LinkOf(t, l.Borea, "wire1"), "eth1"))
		labtest.Run(t, l.Borea, "ip", "link", "set", "insane", "promisc", []string{"on", "off"}[n%2])
		slave, mode := []string{"eth0", "eth1"}[n%2], []string{api.ReceiveAuto, api.ReceiveNone, api.ReceiveAll}[n%3]
		c := api.Change{Slave: &slave, Receive: &mode, TX: new(fmt.Sprintf("percent %d every 3", n%100)), Seed: new(uint64(n))}
		if _, err := d.Client.Set(t.Context(), c); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err) // a busy machine is no error
		}
	}
	close(changed)
	<-over
}

// dropSome makes the kernel drop frames at the interface, so that its own counter is not 0:
// the interface has no carrier meanwhile.
func dropSome(t *testing.T, l *lab.Lab) {
	t.Helper()
	labtest.SetUp(t, l.Morgana, false)
	testbed.AwaitCarrier(t, l, false)
	testbed.NewInjector(t, l, "insane").Send(100, 100)
	labtest.SetUp(t, l.Morgana, true)
	testbed.AwaitCarrier(t, l, true)
}

// watchCounters reads the counters until done is closed, and compares each with the reading
// before.
func watchCounters(t *testing.T, d *lab.Daemon, done <-chan struct{}) {
	const wrapped = 1 << 50
	before := map[string]float64{}
	for n := 0; ; n++ {
		select {
		case <-done:
			if n < 20 {
				t.Errorf("only %d readings", n)
			}
			return
		default:
		}
		stats, err := d.Client.Stats(t.Context())
		if err != nil {
			continue // a busy machine
		}
		now := map[string]float64{}
		flatten(t, stats, now)
		for name, value := range now {
			if value < before[name] || value > wrapped {
				t.Errorf("%s: %.0f after %.0f", name, value, before[name])
				return
			}
		}
		before = now
	}
}

// flatten writes every number of the counters into a map, by the names that lead to it.
func flatten(t *testing.T, stats api.DeviceStats, into map[string]float64) {
	text, err := json.Marshal(stats)
	if err != nil {
		t.Error(err)
		return
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Error(err)
		return
	}
	var walk func(path string, node any)
	walk = func(path string, node any) {
		switch node := node.(type) {
		case map[string]any:
			for name, child := range node {
				walk(path+"/"+name, child)
			}
		case float64:
			into[path] = node
		}
	}
	walk("", tree)
}
