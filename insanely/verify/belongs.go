package verify

import (
	"net/netip"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/insanely/verify/witness"
)

// owner says which of the packets that arrive at the slave are the device's. It does not share the
// device's code for that: it goes by what it sees of the flows, and only where a flow shows
// nothing, as all of it is lost, by the addresses that the device says it takes.
type owner struct {
	all        bool
	came, sent map[uint64]bool // flows that reached the host through the device; whose answers would
	own        map[uint64]bool // flows that are the slave's own
	to         map[netip.Addr]bool
	from       []netip.Prefix
}

// newOwner looks at all flows. The pairing is that of tx.
func newOwner(info api.Info, c *collection, tx *pairing, own []sighting) *owner {
	o := &owner{
		all:  info.Receive == api.ReceiveAll,
		came: map[uint64]bool{}, sent: map[uint64]bool{}, own: map[uint64]bool{}, to: map[netip.Addr]bool{},
	}
	for i := range c.seen[witness.HostHears] {
		o.came[c.seen[witness.HostHears][i].flow] = true
	}
	for i := range tx.before {
		o.sent[tx.before[i].back] = true
	}
	for i := range own {
		o.own[own[i].back] = true
	}
	for _, text := range info.Takes.To {
		if a, err := netip.ParseAddr(text); err == nil {
			o.to[a] = true
		}
	}
	for _, text := range info.Takes.From {
		if p, err := netip.ParsePrefix(text); err == nil {
			o.from = append(o.from, p)
		} else if a, err := netip.ParseAddr(text); err == nil {
			o.from = append(o.from, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return o
}

// takes reports whether a packet is the device's.
func (o *owner) takes(s *sighting) bool {
	switch {
	case o.all:
		return true
	case s.marks&group != 0:
		return false // each of the two may have a copy
	case o.came[s.flow], o.sent[s.flow]:
		return true
	case o.own[s.flow]:
		return false
	case o.to[address(s.target)]:
		return true
	}
	from := address(s.source)
	for _, p := range o.from {
		if p.Contains(from) {
			return true
		}
	}
	return false
}

// address returns the address of a key, in which that of IPv4 has 4 bytes.
func address(b [16]byte) netip.Addr {
	for _, x := range b[4:] {
		if x != 0 {
			return netip.AddrFrom16(b)
		}
	}
	return netip.AddrFrom4([4]byte(b[:4]))
}
