package relay

import (
	"net"
	"slices"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// address is the link-layer address of the host, and the earlier ones under which packets that
// are held may have been received. It is immutable.
type address struct {
	present [frame.AddressLen]byte
	former  [][frame.AddressLen]byte
}

// mostFormer is how many earlier addresses are kept at most.
const mostFormer = 16

// SetAddress says that the host has another link-layer address from now on. Packets that are
// held and were received for an earlier one reach the host under this one: it would not take
// them otherwise. Call it for rx, and not from several goroutines at once.
func (r *Relay) SetAddress(mac net.HardwareAddr) {
	if len(mac) != frame.AddressLen {
		return
	}
	next := &address{present: [frame.AddressLen]byte(mac)}
	if before := r.address.Load(); before != nil && r.Held() > 0 {
		former := append(slices.Clone(before.former), before.present)
		next.former = former[max(0, len(former)-mostFormer):]
	}
	r.address.Store(next)
}

// readdress gives a packet that was held the present address of the host, if it has an earlier
// one.
func (r *Relay) readdress(f frame.Frame) {
	a := r.address.Load()
	if a == nil || len(a.former) == 0 {
		return
	}
	if to := f.Destination(); to != nil && *to != a.present && slices.Contains(a.former, *to) {
		*to = a.present
	}
}
