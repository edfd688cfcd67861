package decide

import (
	"fmt"

	"github.com/seed-39a139a1/insane/insane/host"
	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Warnings lists what is wrong with the interface or around it, in the order of
// api.WarningKinds. o is the host after the slave has got its sockets.
func Warnings(c Config, o observe.Host) (list []api.Warning) {
	warn := func(kind, format string, args ...any) {
		list = append(list, api.Warning{Kind: kind, Message: fmt.Sprintf(format, args...)})
	}
	self := o.Interface.Link
	if o.Interface.Away {
		warn(api.WarnAway, "%s is in another network namespace: what arrives at the slave is the slave's until it is back", c.Name)
		return list
	}
	if now := api.ShowName(self.Name); self.Name != "" && now != c.Name {
		warn(api.WarnRenamed, "the interface is called %s now; the device is still %s", now, c.Name)
	}
	if extra := self.Queues - 1; extra > 0 {
		warn(api.WarnQueue, "%s: another program has opened the interface (%d further queue%s): it can take packets, "+
			"which are not counted, and keeps the interface there when the daemon has ended", c.Name, extra, plural(extra))
	}
	if m := c.Link.MAC; c.Open && self.Bonded && self.MAC.String() != m.String() && len(m) > 0 {
		warn(api.WarnAddress, "%s has the MAC address %s of its bond, and not %s of %s: what arrives for it is lost unless %s receives it",
			c.Name, self.MAC, m, c.Slave, c.Slave)
	}
	if above := o.Ownership.Above; c.Receive == api.ReceiveAuto && len(above) > 0 {
		warn(api.WarnStacked, "%s is on top of %s: with receive auto, what arrives for it is the slave's; receive all brings it",
			api.ShowName(above[0]), c.Name)
	}
	for _, b := range c.Bypasses {
		warn(api.WarnBypass, "%s: packets to %s leave through %s, unfaulted: %s", c.Name, b.Dst, api.ShowName(b.Link), reason(b))
	}
	return list
}

// reason says why packets leave past the device.
func reason(b host.Bypass) string {
	switch {
	case b.Table != mainTable:
		return fmt.Sprintf("a rule leads to routing table %d (ip rule)", b.Table)
	case b.Route.Bits() > b.Dst.Bits():
		return fmt.Sprintf("the host has a narrower route, to %s", b.Route)
	}
	return "the device has no route there now"
}

const mainTable = 254 // the number of the routing table main

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
