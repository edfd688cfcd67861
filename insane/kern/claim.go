package kern

import (
	"fmt"
	"maps"
	"net/netip"

	"github.com/cilium/ebpf"
)

// Claim is what is known of an address or of a network. The values are those of
// owner.h.
type Claim uint32

const (
	Own       Claim = 1 << iota // only the device has it
	Host                        // another link of this host has it
	Routed                      // the host sends to it through the device
	Subnet                      // it is in a network that the device itself is in
	Neighbour                   // the device asks for its link-layer address
)

// Claims says what is known of each address: the longest prefix that it is in
// speaks for it, alone.
type Claims map[netip.Prefix]Claim

// Of is what is known of an address.
func (c Claims) Of(addr netip.Addr) Claim { return c.longest(addr, addr.BitLen()) }

// Wider is what would be known of the addresses in p if nothing were claimed of p
// itself.
func (c Claims) Wider(p netip.Prefix) Claim { return c.longest(p.Addr(), p.Bits()-1) }

// longest is the claim of the longest prefix of at most so many bits.
func (c Claims) longest(addr netip.Addr, bits int) Claim {
	for ; bits >= 0; bits-- {
		if claim, ok := c[netip.PrefixFrom(addr, bits).Masked()]; ok {
			return claim
		}
	}
	return 0
}

// prefix is struct prefix of owner.h.
type prefix struct {
	Bits    uint32
	Address [16]byte
}

// mapped is where IPv4 addresses are among those of IPv6.
const mapped = 96

func toPrefix(p netip.Prefix) prefix {
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += mapped
	}
	return prefix{Bits: uint32(bits), Address: p.Masked().Addr().As16()}
}

// Claim replaces all claims at once: no frame meets half of the new ones. When it
// returns, the kernel has done with every frame that met the old ones, and with
// every filter that was exchanged before (kernel/bpf/syscall.c,
// maybe_wait_bpf_programs).
func (o *Objects) Claim(claims Claims) error {
	table, err := newClaims()
	if err != nil {
		return err
	}
	defer table.Close() // the filter keeps it
	// What is said of all IPv6 addresses is not said of IPv4.
	all := Claims{netip.PrefixFrom(netip.IPv4Unspecified(), 0): 0}
	maps.Copy(all, claims)
	for prefix, claim := range all {
		if err := table.Put(toPrefix(prefix), uint32(claim)); err != nil {
			return fmt.Errorf("claim %s: %w", prefix, err)
		}
	}
	if err := o.bpf.Claims.Put(inForce, table); err != nil {
		return fmt.Errorf("exchange claims: %w", err)
	}
	return nil
}

// Places in the map of tables: what is in the second, nobody looks up.
const (
	inForce uint32 = iota
	waiting
)

func newClaims() (*ebpf.Map, error) {
	spec, err := compiled()
	if err != nil {
		return nil, fmt.Errorf("read the eBPF programs: %w", err)
	}
	table, err := ebpf.NewMap(spec.Maps[kernMapClaims].InnerMap)
	if err != nil {
		return nil, explain("make a table of claims", err)
	}
	return table, nil
}
