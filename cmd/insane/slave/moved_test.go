package slave

import (
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// stranger makes a link of somebody else in borea, with a name and an index.
func stranger(t *testing.T, l *lab.Lab, name string, index int) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.Index, attrs.MTU = name, index, 1450
	veth := netlink.NewVeth(attrs)
	veth.PeerName = "strange-peer"
	labtest.Must(t, l.Borea.Netlink().LinkAdd(veth))
	labtest.Must(t, l.Borea.Netlink().LinkSetUp(labtest.LinkOf(t, l.Borea, name)))
}

// looks returns everything about a link of borea that a device could change.
func looks(t *testing.T, l *lab.Lab, name string) string {
	t.Helper()
	link := labtest.Run(t, l.Borea, "ip", "-d", "link", "show", "dev", name)
	routes := labtest.Run(t, l.Borea, "ip", "route", "show", "dev", name)
	addresses := labtest.Run(t, l.Borea, "ip", "-4", "address", "show", "dev", name)
	return link + routes + addresses
}

// moveInterface moves insane from one host to another.
func moveInterface(t *testing.T, from, to *lab.Host) {
	t.Helper()
	namespace := labtest.NamespaceOf(t, to)
	defer namespace.Close()
	labtest.Must(t, from.Netlink().LinkSetNsFd(labtest.LinkOf(t, from, api.DefaultName), int(namespace.Fd())))
}

// TestInterfaceMoved moves insane to another network namespace. A link that gets its name or
// its index there is not touched, whatever happens to the slave. When insane is back, with
// the same index or with another one, it is complete again.
func TestInterfaceMoved(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		what, name string
		stays      bool // the other link is still there when insane is back, so insane gets another index
	}{
		{"its index is another link's", "other", false},
		{"its index stays another link's", "other", true},
		{"its name and index are another link's", api.DefaultName, false},
	} {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			l := labtest.New(t)
			d := labtest.StartDaemon(t, l, "--slave", "eth0", "--address", "10.8.0.1/24", "--route", "10.9.0.2", "--route", "fd00:9::2")
			awaitRoutes(t, l)
			path := labtest.Info(t, d).TX.Path
			index := labtest.LinkOf(t, l.Borea, api.DefaultName).Attrs().Index
			moveInterface(t, l.Borea, l.Morgana)
			stranger(t, l, tt.name, index)
			before := looks(t, l, tt.name)
			labtest.Await(t, "the device to say that insane is away", func() bool { return labtest.Info(t, d).Warns(api.WarnAway) })
			labtest.SetMTU(t, l.Borea, lab.Link, 1400)
			labtest.Run(t, l.Borea, "ip", "link", "set", lab.Link, "address", "02:11:22:33:44:55")
			labtest.Set(t, d, api.Change{TX: new("percent 100"), Receive: new(api.ReceiveAll)})
			labtest.Set(t, d, api.Change{TX: new("pass"), Receive: new(api.ReceiveAuto)})
			i := labtest.Info(t, d)
			if i.Takes.Idle != "insane is not in this network namespace" || i.Carrier || i.MTU == 1450 {
				t.Errorf("the device shows another link as its own: %+v", i)
			}
			if after := looks(t, l, tt.name); after != before {
				t.Errorf("the other link was changed:\n%s\nit was\n%s", after, before)
			}
			if !tt.stays {
				testbed.Unplug(t, l, tt.name)
			}
			moveInterface(t, l.Morgana, l.Borea)
			labtest.Run(t, l.Borea, "ip", "link", "set", api.DefaultName, "up")
			complete(t, l, d, path)
			if now := labtest.LinkOf(t, l.Borea, api.DefaultName).Attrs().Index; now == index && tt.stays {
				t.Errorf("insane has index %d, which is another link's", now)
			}
			if tt.stays && looks(t, l, tt.name) != before {
				t.Errorf("the other link was changed:\n%s\nit was\n%s", looks(t, l, tt.name), before)
			}
		})
	}
}

// complete waits until insane has everything that the device was asked for, on the path that
// it had.
func complete(t *testing.T, l *lab.Lab, d *lab.Daemon, path string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("%s\n%s", d.Logs(), labtest.Run(t, l.Borea, "ip", "-6", "route"))
		}
	}()
	testbed.AwaitCarrier(t, l, true)
	awaitRoutes(t, l)
	looksLike(t, l, lab.Link)
	testbed.AwaitMTU(t, l, d, 1400)
	testbed.AwaitPaths(t, d, path)
	testbed.Relays(t, l, d.Client)
	testbed.PingsAll(t, l.Borea, l.Morgana.IPv4.String())
	labtest.Await(t, "its own addresses to be taken, and no warning", func() bool {
		i := labtest.Info(t, d)
		return len(i.Warnings) == 0 && strings.Contains(strings.Join(i.Takes.To, " "), "10.8.0.1")
	})
	labtest.Await(t, "a link-local address that the slave does not have", func() bool {
		return linkLocal(t, l, api.DefaultName) != linkLocal(t, l, lab.Link)
	})
}

// TestInterfaceMovedForAMoment moves insane away and back before the daemon can look.
func TestInterfaceMovedForAMoment(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--address", "10.8.0.1/24", "--route", "10.9.0.2", "--route", "fd00:9::2")
	awaitRoutes(t, l)
	path := labtest.Info(t, d).TX.Path
	for range testbed.Soak(t, 3) {
		testbed.Pause(t, d, func() {
			moveInterface(t, l.Borea, l.Morgana)
			moveInterface(t, l.Morgana, l.Borea)
			labtest.Run(t, l.Borea, "ip", "link", "set", api.DefaultName, "up")
			labtest.SetMTU(t, l.Borea, lab.Link, 1400)
		})
		complete(t, l, d, path)
	}
}

// TestInterfaceRenamed renames insane while a link of somebody else gets its name. The
// device says so, still follows its slave, and leaves the other link alone.
func TestInterfaceRenamed(t *testing.T) {
	t.Parallel()
	l := labtest.New(t)
	d := labtest.StartDaemon(t, l, "--slave", "eth0", "--address", "10.8.0.1/24")
	labtest.Run(t, l.Borea, "ip", "link", "set", api.DefaultName, "name", "elsewhere")
	stranger(t, l, api.DefaultName, 0)
	before := looks(t, l, api.DefaultName)
	labtest.Await(t, "the new name to be said", func() bool { return labtest.Info(t, d).Warns(api.WarnRenamed) })
	labtest.SetMTU(t, l.Borea, lab.Link, 1400)
	labtest.Await(t, "the MTU of the slave", func() bool {
		return labtest.LinkOf(t, l.Borea, "elsewhere").Attrs().MTU == 1400 && labtest.Info(t, d).MTU == 1400
	})
	if after := looks(t, l, api.DefaultName); after != before {
		t.Errorf("the other link was changed:\n%s\nit was\n%s", after, before)
	}
}
