package slave

import (
	"testing"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/port"
	"github.com/seed-39a139a1/insane/insane/relay"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// The destination of tx depends on the state of the slave only.
func TestSlaveState(t *testing.T) {
	far := &port.Slave{}
	up := host.Link{Name: "eth0", MTU: 1400, Carrier: true}
	for _, c := range []struct {
		slave Slave
		state string
		end   relay.End
	}{
		{Slave{}, api.SlaveNone, relay.End{Why: relay.DropNoSlave}},
		{Slave{Name: "eth0"}, api.SlaveGone, relay.End{Why: relay.DropSlaveGone}},
		{Slave{Name: "eth0", Link: up}, api.SlaveGone, relay.End{Why: relay.DropSlaveGone}},
		{Slave{Name: "eth0", Port: far}, api.SlaveDown, relay.End{Why: relay.DropSlaveDown}},
		{Slave{Name: "eth0", Port: far, Link: up}, api.SlaveUp, relay.End{Port: far, MTU: 1400}},
	} {
		if state := c.slave.State(); state != c.state {
			t.Errorf("%+v: %s, want %s", c.slave, state, c.state)
		}
		if e := c.slave.End(); *e != c.end {
			t.Errorf("%+v: %+v, want %+v", c.slave, *e, c.end)
		}
	}
}
