package decide

import (
	"errors"
	"testing"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Links of the cases below.
var (
	eth0 = host.Link{Index: 2, Name: "eth0", Up: true, Carrier: true, MTU: 1500}
	self = host.Link{Index: 7, Name: "insane", Up: true, Carrier: true, MTU: 1500}
)

// with returns a link changed by f.
func with(l host.Link, f func(*host.Link)) host.Link { f(&l); return l }

// working is a device that takes frames from a slave that is up, and its host.
func working() (Config, observe.Host) {
	c := Config{Name: "insane", Slave: "eth0", Link: eth0, Queues: 1, Open: true, Receive: api.ReceiveAuto}
	h := observe.Host{
		Interface: observe.Interface{Link: self},
		Slave:     observe.Slave{Link: eth0, Found: true, Bound: true, Queues: 1},
	}
	return c, h
}

// Each input of a decision changes exactly one part of the result: each case changes one
// thing of a working device.
func TestDecide(t *testing.T) {
	fine := Wanted{Link: eth0, Queues: 1, Armed: true}
	for _, tt := range []struct {
		what   string
		change func(*Config, *observe.Host)
		want   func(*Wanted)
	}{
		{"nothing", func(*Config, *observe.Host) {}, func(*Wanted) {}},
		{"the slave is down", func(_ *Config, h *observe.Host) { h.Slave.Link.Carrier = false },
			func(w *Wanted) {
				w.Link = with(eth0, func(l *host.Link) { l.Carrier = false })
				w.RelayTX = "eth0 is " + api.SlaveDown
			}},
		{"the slave is renamed", func(_ *Config, h *observe.Host) { h.Slave.Link.Name = "lan0" },
			func(w *Wanted) { w.Link = with(eth0, func(l *host.Link) { l.Name = "lan0" }) }},
		{"the slave is gone", func(_ *Config, h *observe.Host) { h.Slave = observe.Slave{} },
			func(w *Wanted) { *w = Wanted{Step: ReleaseSlave, Link: eth0, Queues: 1} }},
		{"the slave's sockets are on another link", func(_ *Config, h *observe.Host) { h.Slave.Bound = false },
			func(w *Wanted) { *w = Wanted{Step: ReleaseSlave, Link: eth0, Queues: 1} }},
		{"the slave cannot be looked up", func(_ *Config, h *observe.Host) { h.Slave = observe.Slave{Err: errors.New("no")} },
			func(*Wanted) {}},
		{"the slave is back", func(c *Config, h *observe.Host) { c.Open, c.Link = false, host.Link{}; h.Slave.Bound = false },
			func(w *Wanted) { *w = Wanted{Step: AttachSlave, Link: eth0, Queues: 1} }},
		{"the slave stays away", func(c *Config, h *observe.Host) { c.Open = false; h.Slave = observe.Slave{} },
			func(w *Wanted) {
				w.Armed, w.Idle, w.RelayRX, w.RelayTX = false, "eth0 is gone", "eth0 is gone", "eth0 is "+api.SlaveGone
			}},
		{"no slave", func(c *Config, h *observe.Host) { *c = Config{Receive: api.ReceiveAuto}; h.Slave = observe.Slave{} },
			func(w *Wanted) {
				*w = Wanted{Idle: "there is no slave", RelayRX: "there is no slave", RelayTX: "there is no slave"}
			}},
		{"the slave is a device", func(_ *Config, h *observe.Host) { h.Slave.Link.Alias = host.AliasPrefix + "x" },
			func(w *Wanted) {
				w.Link = with(eth0, func(l *host.Link) { l.Alias = host.AliasPrefix + "x" })
				w.RelayTX = "eth0 is a device itself"
			}},
		{"many queues, one verdict a frame", func(_ *Config, h *observe.Host) { h.Slave.Queues = 4 },
			func(w *Wanted) { w.Queues = 4 }},
		{"many queues, a verdict a packet", func(c *Config, h *observe.Host) { h.Slave.Queues, c.Uneven = 4, true },
			func(w *Wanted) {
				w.Queues = 4
				w.RelayTX = "eth0 has 4 transmit queues, in which packets of one super-frame could overtake the next"
			}},
		{"receive none", func(c *Config, _ *observe.Host) { c.Receive = api.ReceiveNone },
			func(w *Wanted) { w.Armed, w.RelayRX = false, "receive none: nothing but what neighbours say" }},
		{"the interface is down", func(_ *Config, h *observe.Host) { h.Interface.Link.Up = false },
			func(w *Wanted) { w.Armed, w.Idle, w.RelayRX = false, "insane is down", "insane is down" }},
		{"the interface is elsewhere", func(_ *Config, h *observe.Host) { h.Interface = observe.Interface{Away: true} },
			func(w *Wanted) {
				w.Armed, w.Idle = false, "insane is not in this network namespace"
				w.RelayTX, w.RelayRX = "the interface is not in this network namespace", "the interface is not in this network namespace"
			}},
		{"somebody watches", func(_ *Config, h *observe.Host) { h.Interface.Watched = "somebody watches" },
			func(w *Wanted) { w.RelayTX = "somebody watches" }},
		{"a hook of the slave is for all that is sent", func(_ *Config, h *observe.Host) { h.Slave.Watched = "eth0 has a chain" },
			func(w *Wanted) { w.RelayTX = "eth0 has a chain" }},
		{"a hook of the interface is for all that arrives", func(_ *Config, h *observe.Host) { h.Interface.Guarded = "insane has XDP" },
			func(w *Wanted) { w.RelayRX = "insane has XDP" }},
		{"a hook of the slave is for all that arrives", func(_ *Config, h *observe.Host) { h.Slave.Guarded = "eth0 has a program" },
			func(w *Wanted) { w.RelayRX = "eth0 has a program" }},
		{"somebody records", func(c *Config, _ *observe.Host) { c.Recorded = true },
			func(w *Wanted) {
				const why = "recorded: insanely record sees each packet in the relay"
				w.RelayTX, w.RelayRX = why, why
			}},
		{"a recording is replayed, and somebody records", func(c *Config, _ *observe.Host) { c.Recorded, c.Replayed = true, true },
			func(w *Wanted) {
				const why = "replay: the relay gives each packet its recorded verdict"
				w.RelayTX, w.RelayRX = why, why
			}},
		{"a default queueing discipline", func(_ *Config, h *observe.Host) { h.Interface.Spare = true },
			func(w *Wanted) { w.SkipQdisc = true }},
		{"promiscuous, receive auto", func(_ *Config, h *observe.Host) { h.Interface.Link.Promiscuity = 1 }, func(*Wanted) {}},
		{"promiscuous in a bridge, receive auto",
			func(_ *Config, h *observe.Host) { h.Interface.Link.Promiscuity, h.Interface.Link.Master = 1, 9 },
			func(w *Wanted) { w.Promiscuous = true }},
		{"promiscuous, receive all",
			func(c *Config, h *observe.Host) { c.Receive, h.Interface.Link.Promiscuity = api.ReceiveAll, 1 },
			func(w *Wanted) { w.Promiscuous = true }},
	} {
		c, h := working()
		tt.change(&c, &h)
		want := fine
		tt.want(&want)
		if got := Decide(c, h); !same(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.what, got, want)
		}
	}
}

// same compares two results, except for slices and maps.
func same(a, b Wanted) bool {
	a.Claims, b.Claims = nil, nil
	la, lb := a.Link, b.Link
	a.Link, b.Link = host.Link{}, host.Link{}
	return a.Step == b.Step && a.Queues == b.Queues && a.SkipQdisc == b.SkipQdisc &&
		a.Idle == b.Idle && a.Armed == b.Armed && a.Promiscuous == b.Promiscuous &&
		a.RelayTX == b.RelayTX && a.RelayRX == b.RelayRX &&
		la.Index == lb.Index && la.Name == lb.Name && la.Alias == lb.Alias && la.Carrier == lb.Carrier
}
