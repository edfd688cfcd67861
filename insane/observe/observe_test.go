package observe

import (
	"net/netip"
	"testing"

	"github.com/seed-39a139a1/insane/insane/host"
)

// Events make the device look at those parts that they may have changed, and at no
// others.
func TestAffected(t *testing.T) {
	const self, slave, other = 5, 6, 7
	o := &Observer{Index: self, Slave: "eth0", On: slave}
	link := func(index int, name string) host.Events {
		return host.Events{Links: []host.LinkEvent{{Link: host.Link{Index: index, Name: name}}}}
	}
	address := func(index int, text string) host.Events {
		a := host.Address{Link: index, Prefix: netip.MustParsePrefix(text)}
		return host.Events{Addresses: []host.AddressEvent{{Address: a}}}
	}
	for _, c := range []struct {
		what   string
		events host.Events
		want   Parts
	}{
		{"nothing", host.Events{}, 0},
		{"the interface", link(self, "insane"), PartInterface | PartRoutes},
		{"the interface, renamed", link(self, "other"), PartInterface | PartRoutes},
		{"the slave, renamed", link(slave, "eth1"), PartSlave | PartRoutes},
		{"a link of the slave's name", link(other, "eth0"), PartSlave | PartRoutes},
		{"another link", link(other, "eth2"), 0},
		{"tc on the interface", host.Events{Control: []int{other, self}}, PartInterface},
		{"tc on another link", host.Events{Control: []int{other, slave}}, 0},
		{"a shared block of filters", host.Events{Control: []int{host.AnyLink}}, PartInterface},
		{"an address of the slave", address(slave, "10.9.0.1/24"), PartRoutes},
		{"a link-local address of the slave", address(slave, "fe80::1/64"), PartRoutes},
		{"an address of another link", address(other, "10.9.0.1/24"), PartRoutes},
		{"a link-local address of another link", address(other, "fe80::1/64"), 0},
		{"a rule", host.Events{Rules: true}, PartRoutes},
		{"a route", host.Events{Routes: true}, 0},
		{"lost events", host.Events{Lost: true}, Everything &^ PartOwnership},
	} {
		if got := o.Affected(c.events); got != c.want {
			t.Errorf("%s: parts %b, want %b", c.what, got, c.want)
		}
	}
}
