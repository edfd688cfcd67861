package labtest

import (
	"context"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Set changes the device and returns the state after the change.
func Set(t testing.TB, d *lab.Daemon, c api.Change) api.Info {
	t.Helper()
	info, err := d.Client.Set(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// Info returns the state of the device.
func Info(t testing.TB, d *lab.Daemon) api.Info {
	t.Helper()
	i, err := d.Client.Info(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// CheckCounters fails if the counters of a direction do not balance.
func CheckCounters(t testing.TB, s api.Stats) {
	t.Helper()
	sum := api.Count{Packets: s.Relayed.Packets + s.Held.Packets, Bytes: s.Relayed.Bytes + s.Held.Bytes}
	for _, c := range s.Dropped {
		sum.Packets += c.Packets
		sum.Bytes += c.Bytes
	}
	offered := api.Count{Packets: s.Offered.Packets + s.Copied.Packets, Bytes: s.Offered.Bytes + s.Copied.Bytes}
	if sum != offered {
		t.Errorf("counters do not balance: offered and copied %+v, accounted for %+v: %+v", offered, sum, s)
	}
	var stages api.Count
	for _, c := range s.Stages {
		stages.Packets += c.Packets
		stages.Bytes += c.Bytes
	}
	if stages != s.Dropped[api.DropPolicy] {
		t.Errorf("the stages dropped %+v in all, the policy %+v: %+v", stages, s.Dropped[api.DropPolicy], s)
	}
}
