package kern

import (
	"fmt"
	"maps"
	"net/netip"

	"github.com/cilium/ebpf"
)

// Claim is a set of bits that say what is known of an address or of a network. claims.h
// has the same values.
type Claim uint32

const (
	Own     Claim = 1 << iota // the address is the device's, and of no other link
	Host                      // the address is of another link of this host
	Routed                    // the host sends to the address through the device
	Subnet                    // the address is in a network that the device itself is in
	Strict                    // one stack refuses packets from it (rp_filter): the slave's if it is Routed, otherwise the device's
	Proxied                   // the host may answer ARP requests for it in place of its owner (proxy_arp)
)

// Claims maps networks to what is known of them. For one address, the longest prefix
// that contains the address counts, and no other.
type Claims map[netip.Prefix]Claim

// Of returns the claim for an address.
func (c Claims) Of(addr netip.Addr) Claim { return c.longest(addr, addr.BitLen()) }

// Wider returns the claim that the addresses in p would have if p itself were not in
// the map.
func (c Claims) Wider(p netip.Prefix) Claim { return c.longest(p.Addr(), p.Bits()-1) }

// longest returns the claim of the longest prefix that has at most bits bits and
// contains addr; 0 if there is none.
func (c Claims) longest(addr netip.Addr, bits int) Claim {
	for ; bits >= 0; bits-- {
		if claim, ok := c[netip.PrefixFrom(addr, bits).Masked()]; ok {
			return claim
		}
	}
	return 0
}

// prefix is struct prefix of claims.h.
type prefix struct {
	Bits    uint32
	Address [16]byte
}

// mapped is the length in bits of ::ffff:0:0/96, which contains the IPv4 addresses.
const mapped = 96

// toPrefix returns the key of a network in the table.
func toPrefix(p netip.Prefix) prefix {
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += mapped
	}
	return prefix{Bits: uint32(bits), Address: p.Masked().Addr().As16()}
}

// Claim replaces all claims at once: each frame is decided by the old claims or by the
// new claims, not by a mix. It waits for an RCU grace period (kernel/bpf/syscall.c,
// maybe_wait_bpf_programs). When it returns, no program uses the old claims, nor a
// socket filter that was replaced before the call.
func (o *Objects) Claim(claims Claims) error {
	table, err := newClaims()
	if err != nil {
		return err
	}
	defer table.Close() // the outer map holds a reference
	// A claim for ::/0 must not hold for IPv4, which is in the same table.
	all := Claims{netip.PrefixFrom(netip.IPv4Unspecified(), 0): 0}
	maps.Copy(all, claims)
	routed := uint64(0) // whether any claim is Routed
	for prefix, claim := range all {
		if err := table.Put(toPrefix(prefix), uint32(claim)); err != nil {
			return fmt.Errorf("claim %s: %w", prefix, err)
		}
		if claim&Routed != 0 {
			routed = 1
		}
	}
	if err := o.bpf.Claims.Put(inForceSlot, table); err != nil {
		return fmt.Errorf("exchange claims: %w", err)
	}
	o.memory.recall.routed.Store(routed)
	return nil
}

// Slots of the outer map. The programs look up slot 0 only. Slot 1 is a dummy, which is
// replaced only to wait for a grace period: see synchronize.
const (
	inForceSlot uint32 = iota
	dummySlot
)

// newClaims makes an empty inner map for a table of claims. The caller closes it.
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
