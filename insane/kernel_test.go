package insane

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insane/port"
)

// borea is the network namespace of one test. The thread is never unlocked: it ends with
// the goroutine of the test, and the namespace ends with it. No device runs here: the test
// calls reconcile where a running device would.
type borea struct {
	t testing.TB
	h *netlink.Handle
}

// newBorea needs root.
func newBorea(t *testing.T) *borea {
	t.Helper()
	labtest.Namespace(t)
	return ownNamespace(t)
}

func (b *borea) must(err error) {
	b.t.Helper()
	labtest.Must(b.t, err)
}

func (b *borea) link(name string) netlink.Link {
	b.t.Helper()
	return labtest.Link(b.t, b.h, name)
}

// veth makes a link that is up, with carrier; index 0 is any.
func (b *borea) veth(name string, index int, addresses ...string) {
	b.t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.Index = name, index
	b.must(b.h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: name + "-peer"}))
	b.must(b.h.LinkSetUp(b.link(name + "-peer")))
	b.must(b.h.LinkSetUp(b.link(name)))
	for _, a := range addresses {
		b.address(name, a, b.h.AddrAdd)
	}
}

// address adds an address to a link or removes it.
func (b *borea) address(name, text string, change func(netlink.Link, *netlink.Addr) error) {
	b.t.Helper()
	addr, err := netlink.ParseAddr(text)
	b.must(err)
	b.must(change(b.link(name), addr))
}

// routes returns the routes through the device, as "DESTINATION via GATEWAY from SOURCE".
func (b *borea) routes(family int) (list []string) {
	b.t.Helper()
	all, err := b.h.RouteList(b.link("insane"), family)
	b.must(err)
	for _, r := range all {
		if r.Dst.IP.IsLinkLocalUnicast() || r.Dst.IP.IsMulticast() {
			continue // made by the kernel
		}
		text := r.Dst.String()
		if len(r.MultiPath) > 0 {
			r.Gw = r.MultiPath[0].Gw
		}
		if r.Gw != nil {
			text += " via " + r.Gw.String()
		}
		if r.Src != nil {
			text += " from " + r.Src.String()
		}
		list = append(list, text)
	}
	slices.Sort(list)
	return list
}

// open opens a device that is closed when the test ends.
func (b *borea) open(slave string, routes ...string) *Device {
	b.t.Helper()
	c := Config{Name: "insane", Slave: slave, Seed: 1}
	for _, r := range routes {
		c.Routes = append(c.Routes, netip.MustParsePrefix(r))
	}
	d, err := Open(c)
	b.must(err)
	b.t.Cleanup(func() { d.Close() })
	return d
}

// portOf returns the present packet socket of the slave.
func portOf(d *Device) *port.Slave {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.slave.Port
}

// reconcile brings the device in line with the present host, without any event.
func (d *Device) reconcile() { d.pass(observe.Everything, nil) }
