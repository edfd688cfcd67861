package ledger

import (
	"net/netip"
	"strconv"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/match"
)

// Peer returns the address of the other host in the packet, and its port if there is one: of tx
// the destination, of rx the source. It is "" if the bytes of the entry have no IP address.
func (e *Entry) Peer() string {
	f := append(make(frame.Frame, frame.HeaderLen, frame.HeaderLen+len(e.Bytes)), e.Bytes...)
	k := frame.Key(f)
	address, port := k.Destination, k.DestinationPort
	if e.Direction == policy.RX {
		address, port = k.Source, k.SourcePort
	}
	var ip netip.Addr
	switch {
	case k.Has&match.HasIPv4 != 0:
		ip = netip.AddrFrom4([4]byte(address[:4]))
	case k.Has&match.HasIPv6 != 0:
		ip = netip.AddrFrom16(address)
	default:
		return ""
	}
	if k.Has&match.HasPorts == 0 {
		return ip.String()
	}
	if ip.Is6() {
		return "[" + ip.String() + "]:" + strconv.Itoa(int(port))
	}
	return ip.String() + ":" + strconv.Itoa(int(port))
}
