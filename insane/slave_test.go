package insane

import (
	"errors"
	"strconv"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insane/slave"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// attachTo asks for a slave as a request on the control socket does.
func attachTo(d *Device, name string) (api.Info, error) { return d.Set(api.Change{Slave: &name}) }

// A link that cannot be a slave is refused with a message, and nothing changes.
func TestBadSlaves(t *testing.T) {
	b := newBorea(t)
	b.veth("eth0", 0)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "tun0"
	tun := &netlink.Tuntap{LinkAttrs: attrs, Mode: netlink.TUNTAP_MODE_TUN, NonPersist: true, Queues: 1}
	b.must(b.h.LinkAdd(tun))
	defer tun.Fds[0].Close()
	d := b.open("eth0")
	before, mac := portOf(d), b.link("insane").Attrs().HardwareAddr.String()
	for name, want := range map[string]*api.Error{
		"eth1":   api.ErrNoDevice,
		"":       api.ErrNoDevice,
		"tun0":   api.ErrWrongType,
		"insane": api.ErrLoop,
	} {
		_, err := attachTo(d, name)
		var refusal *api.Error
		if !errors.Is(err, want) || !errors.As(err, &refusal) || refusal.Field != "slave" {
			t.Errorf("%q: %v, want %v", name, err, want)
		}
		link := b.link("insane").Attrs()
		if portOf(d) != before || link.HardwareAddr.String() != mac || link.Alias != "insane: slave eth0" {
			t.Errorf("%q: refused, and yet the device changed: %+v", name, link)
		}
	}
}

// The device looks like its slave, and follows it.
func TestSlaveFollowed(t *testing.T) {
	b := newBorea(t)
	b.veth("eth0", 0)
	d := b.open("eth0")
	b.must(b.h.LinkSetUp(b.link("insane")))
	check := func(what, state, name string, mtu int) {
		t.Helper()
		d.reconcile()
		info, insane, slave := d.State(), b.link("insane").Attrs(), b.link(name).Attrs()
		if info.SlaveState != state || info.Slave != name || info.Carrier != (state == api.SlaveUp) {
			t.Errorf("%s: %+v, want %s %s", what, info, name, state)
		}
		if insane.MTU != mtu || insane.HardwareAddr.String() != slave.HardwareAddr.String() || insane.Alias != host.AliasPrefix+name {
			t.Errorf("%s: device is %+v, slave is %+v", what, insane, slave)
		}
	}
	check("at first", api.SlaveUp, "eth0", 1500)
	socket := portOf(d)
	b.must(b.h.LinkSetMTU(b.link("eth0"), 1400))
	check("another MTU", api.SlaveUp, "eth0", 1400)
	b.must(b.h.LinkSetHardwareAddr(b.link("eth0"), []byte{2, 9, 0, 0, 0, 9}))
	check("another MAC", api.SlaveUp, "eth0", 1400)
	b.must(b.h.LinkSetDown(b.link("eth0")))
	check("down", api.SlaveDown, "eth0", 1400)
	b.must(b.h.LinkSetName(b.link("eth0"), "lan0"))
	check("renamed", api.SlaveDown, "lan0", 1400)
	b.must(b.h.LinkSetUp(b.link("lan0")))
	check("up again", api.SlaveUp, "lan0", 1400)
	if portOf(d) != socket {
		t.Error("a new socket for the same link")
	}
}

// A deleted slave is attached again when a link of its name returns. The device also
// notices that a slave was replaced by another link with the same name and index.
func TestSlavePickedUpAgain(t *testing.T) {
	b := newBorea(t)
	b.veth("eth0", 0)
	d := b.open("eth0")
	index := b.link("eth0").Attrs().Index
	b.must(b.h.LinkDel(b.link("eth0")))
	d.reconcile()
	if info := d.State(); info.SlaveState != api.SlaveGone || info.Slave != "eth0" || portOf(d) != nil {
		t.Errorf("%+v, want eth0 gone", info)
	}
	for range 3 {
		before := portOf(d)
		b.veth("eth0", index)
		d.reconcile()
		if info := d.State(); info.SlaveState != api.SlaveUp || portOf(d) == before || !portOf(d).Bound() {
			t.Fatalf("%+v, want eth0 up with a socket of its own", info)
		}
		b.must(b.h.LinkDel(b.link("eth0"))) // and another one is made at once
	}
}

// A change of a policy does not let go of a slave that a pass has just picked up, before the
// pass looks at the host again.
func TestChangeAfterSlaveIsBack(t *testing.T) {
	b := newBorea(t)
	b.veth("eth0", 0)
	d := b.open("eth0")
	b.must(b.h.LinkDel(b.link("eth0")))
	d.reconcile()
	b.veth("eth0", 0)
	d.mu.Lock()
	again := d.apply(d.observer().Look(observe.Everything, d.seen))
	d.mu.Unlock()
	picked := portOf(d)
	if !again || picked == nil {
		t.Fatalf("the slave is not picked up: %+v", d.State())
	}
	text := "percent 50"
	if info, err := d.Set(api.Change{TX: &text}); err != nil || info.SlaveState != api.SlaveUp || portOf(d) != picked {
		t.Errorf("%v, %+v, want eth0 up and the same socket", err, info)
	}
}

// No chain of devices may lead back to the device, no matter how long the chain is.
func TestSlaveChain(t *testing.T) {
	b := newBorea(t)
	d := b.open("")
	for i := range slave.MaxChain + 1 { // as other daemons would publish it
		name := "d" + strconv.Itoa(i)
		b.veth(name, 0)
		b.must(b.h.LinkSetAlias(b.link(name), host.AliasPrefix+"d"+strconv.Itoa(i+1)))
	}
	if _, err := attachTo(d, "d0"); !errors.Is(err, api.ErrLoop) {
		t.Errorf("a chain without end in sight: %v, want %v", err, api.ErrLoop)
	}
	if _, err := attachTo(d, "d3"); err != nil { // the chain ends at a link that does not exist
		t.Errorf("a chain of %d: %v", slave.MaxChain-2, err)
	}
	b.must(b.h.LinkSetAlias(b.link("d5"), host.AliasPrefix+"insane"))
	_, err := attachTo(d, "d4")
	if want := `slave: "d4": the device would be its own slave (by way of d4, d5, insane)`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if info := d.State(); info.Slave != "d3" || b.link("insane").Attrs().Alias != host.AliasPrefix+"d3" {
		t.Errorf("refused, and yet the slave is %q", info.Slave)
	}
}

// If an Ethernet TAP cannot have the MTU of the slave, it gets the nearest possible MTU.
func TestSlaveOfOddMTU(t *testing.T) {
	b := newBorea(t)
	d := b.open("lo")
	if got := b.link("insane").Attrs().MTU; got != host.MaxMTU {
		t.Errorf("MTU %d before lo, whose MTU is 65536; want %d", got, host.MaxMTU)
	}
	b.must(b.h.LinkSetMTU(b.link("lo"), 60))
	d.reconcile()
	if got := b.link("insane").Attrs().MTU; got != host.MinMTU {
		t.Errorf("MTU %d before lo with 60; want %d", got, host.MinMTU)
	}
}
