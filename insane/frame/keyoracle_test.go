package frame_test

import (
	"github.com/seed-39a139a1/insane/policy/match"
)

// reading takes numbers off the front of bytes. When they end too early, it is short.
type reading struct {
	bytes []byte
	short bool
}

func (r *reading) raw(n int) []byte {
	if n > len(r.bytes) {
		r.short, r.bytes = true, nil
		return make([]byte, n)
	}
	p := r.bytes[:n]
	r.bytes = r.bytes[n:]
	return p
}

func (r *reading) number(n int) (number int) {
	for _, b := range r.raw(n) {
		number = number*256 + int(b)
	}
	return number
}

// keyOf is Key by another way: it reads the Ethernet bytes of a frame from the front to the
// back, header by header.
func keyOf(e []byte) (k match.Key) {
	r := reading{bytes: e}
	to, from, kind := r.raw(6), r.raw(6), r.number(2)
	if r.short {
		return k
	}
	copy(k.DestinationMAC[:], to)
	copy(k.SourceMAC[:], from)
	for tags := 0; tags < 2 && (kind == typeTag || kind == typeSTag); tags++ {
		inner := r
		id := inner.number(2) % 4096
		next := inner.number(2)
		if inner.short {
			break
		}
		if r = inner; tags == 0 {
			k.VLAN = uint16(4096 + id)
		}
		kind = next
	}
	if kind >= 1536 {
		k.EtherType = uint16(kind)
	}
	switch kind {
	case typeIPv4:
		readIPv4(&k, r)
	case typeIPv6:
		readIPv6(&k, r)
	case typeARP:
		hardware, protocol, lengths := r.number(2), r.number(2), r.number(2)
		r.raw(2 + 6)
		sender := r.raw(4)
		r.raw(6)
		target := r.raw(4)
		if !r.short && hardware == 1 && protocol == typeIPv4 && lengths == 0x0604 {
			k.Has = match.HasIPv4
			copy(k.Source[:], sender)
			copy(k.Destination[:], target)
		}
	}
	return k
}

func readIPv4(k *match.Key, r reading) {
	first, traffic := r.number(1), r.number(1)
	r.raw(4)
	place := r.number(2) % 8192
	r.raw(1)
	protocol := r.number(1)
	r.raw(2)
	from, to := r.raw(4), r.raw(4)
	if first/16 != 4 || first%16 < 5 {
		return
	}
	r.raw(4 * (first%16 - 5))
	if r.short {
		return
	}
	k.Has, k.DSCP, k.Protocol = match.HasIPv4|match.HasDSCP|match.HasProtocol, uint8(traffic/4), uint8(protocol)
	copy(k.Source[:], from)
	copy(k.Destination[:], to)
	if place == 0 {
		readTransport(k, r, 4)
	}
}

func readIPv6(k *match.Key, r reading) {
	first := r.number(4)
	r.raw(2)
	next := r.number(1)
	r.raw(1)
	from, to := r.raw(16), r.raw(16)
	if r.short || first>>28 != 6 {
		return
	}
	k.Has, k.DSCP = match.HasIPv6|match.HasDSCP, uint8(first>>22%64)
	copy(k.Source[:], from)
	copy(k.Destination[:], to)
	for n := 0; ; n++ {
		switch next {
		case hopByHop, routing, destinations, fragment:
			if n == 8 {
				return
			}
		default:
			k.Has, k.Protocol = k.Has|match.HasProtocol, uint8(next)
			readTransport(k, r, 6)
			return
		}
		kind := next
		next = r.number(1)
		length := r.number(1)
		place := r.number(2) / 8
		if kind == fragment {
			length = 0
		}
		r.raw(4 + 8*length)
		if r.short {
			return
		}
		if kind == fragment && place > 0 {
			k.Has, k.Protocol = k.Has|match.HasProtocol, uint8(next)
			return
		}
	}
}

func readTransport(k *match.Key, r reading, family int) {
	if k.Protocol == 58 && family == 6 {
		if kind := r.number(1); !r.short && kind >= 133 && kind <= 137 {
			k.Has |= match.IsND
		}
	}
	if k.Protocol != tcp && k.Protocol != udp && k.Protocol != 132 {
		return
	}
	from, to := r.number(2), r.number(2)
	if r.short {
		return
	}
	k.Has, k.SourcePort, k.DestinationPort = k.Has|match.HasPorts, uint16(from), uint16(to)
	r.raw(9)
	if flags := r.number(1); k.Protocol == tcp && !r.short {
		k.Flags = match.Flags(flags & (1 | 2 | 4 | 16))
	}
}
