package kern

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
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

// Equal reports whether two sets of claims are the same.
func (c Claims) Equal(d Claims) bool { return c.is(d) || maps.Equal(c, d) }

// is reports whether both are the same map in memory.
func (c Claims) is(d Claims) bool {
	return reflect.ValueOf(c).Pointer() == reflect.ValueOf(d).Pointer()
}

// prepared is a table of claims that is filled and may be put in force.
type prepared struct {
	claims Claims
	table  *ebpf.Map
	routed uint64 // whether any claim is Routed
}

// Prepare fills a table with claims, which takes long if there are many. Then Claim of the same
// map, which must not change any more, is quick. The last table that was prepared is kept.
func (o *Objects) Prepare(claims Claims) error {
	next, err := fill(claims)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return next.table.Close()
	}
	err = o.ready.table.Close()
	o.ready = next
	return err
}

// Claim replaces all claims at once: each frame is decided by the old claims or by the
// new claims, not by a mix. It waits for an RCU grace period (kernel/bpf/syscall.c,
// maybe_wait_bpf_programs). When it returns, no program uses the old claims, nor a
// socket filter that was replaced before the call.
func (o *Objects) Claim(claims Claims) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	next := o.ready
	if claims == nil || !claims.is(next.claims) {
		var err error
		if next, err = fill(claims); err != nil {
			return err
		}
		defer next.table.Close() // the outer map holds a reference
	}
	// No program may take an answer of one table for an answer of the other.
	o.memory.version.Store(0)
	if err := o.bpf.Claims.Put(inForceSlot, next.table); err != nil {
		return fmt.Errorf("exchange claims: %w", err)
	}
	o.versions++
	o.memory.version.Store(o.versions)
	o.memory.recall.routed.Store(next.routed)
	return nil
}

// fillBatch is how many claims go to the kernel in one system call.
const fillBatch = 4096

// fill makes a table of claims. The caller closes it.
func fill(claims Claims) (p prepared, err error) {
	p.claims = claims
	if p.table, err = newClaims(); err != nil {
		return p, err
	}
	for _, claim := range claims {
		if claim&Routed != 0 {
			p.routed = 1
			break
		}
	}
	if err := claims.fill(p.table); err != nil {
		p.table.Close()
		return p, err
	}
	return p, nil
}

func (c Claims) fill(table *ebpf.Map) error {
	// A claim for ::/0 must not hold for IPv4, which is in the same table.
	if err := table.Put(toPrefix(netip.PrefixFrom(netip.IPv4Unspecified(), 0)), uint32(0)); err != nil {
		return fmt.Errorf("claim IPv4: %w", err)
	}
	keys, values := make([]prefix, 0, fillBatch), make([]uint32, 0, fillBatch)
	for p, claim := range c {
		keys, values = append(keys, toPrefix(p)), append(values, uint32(claim))
		if len(keys) == fillBatch {
			if err := put(table, keys, values); err != nil {
				return err
			}
			keys, values = keys[:0], values[:0]
		}
	}
	return put(table, keys, values)
}

// put adds claims to a table.
func put(table *ebpf.Map, keys []prefix, values []uint32) error {
	if err := putAll(table, keys, values); err != nil {
		return fmt.Errorf("fill a table of claims: %w", err)
	}
	return nil
}

// putAll puts values into a map, in one call or, where the kernel cannot do that, one by one.
func putAll[K, V any](table *ebpf.Map, keys []K, values []V) error {
	if len(keys) > 1 {
		_, err := table.BatchUpdate(keys, values, nil)
		if err == nil || !errors.Is(err, ebpf.ErrNotSupported) {
			return err
		}
	}
	for i, key := range keys {
		if err := table.Put(key, values[i]); err != nil {
			return err
		}
	}
	return nil
}

// Slots of the outer map. The programs look up slot 0 only. Slot 1 is a dummy, which is
// replaced only to wait for a grace period: see synchronize.
const (
	inForceSlot uint32 = iota
	dummySlot
)

// newClaims makes an empty inner map for a table of claims, as struct claims of claims.h says.
// The caller closes it.
func newClaims() (*ebpf.Map, error) {
	table, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: "claims", Type: ebpf.LPMTrie, Flags: unix.BPF_F_NO_PREALLOC, MaxEntries: 1 << 20,
		KeySize: uint32(unsafe.Sizeof(prefix{})), ValueSize: uint32(unsafe.Sizeof(Claim(0))),
	})
	if err != nil {
		return nil, explain("make a table of claims", err)
	}
	return table, nil
}
