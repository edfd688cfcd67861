package match

import "math"

// pattern is one way in which a packet can fit a match: those bits of its key that are in
// the mask are those of the value, and its numbers are in the ranges. A match that looks at
// both sides of a packet has a pattern for each side.
type pattern struct {
	mask, value words
	ranges
}

// ranges are the parts of a pattern that no mask can say. Both ends belong to a range.
type ranges struct {
	source, destination ports
	length              lengths
}

type ports struct{ low, high uint16 }

type lengths struct{ low, high uint32 }

// allRanges fit every packet.
var allRanges = ranges{ports{0, math.MaxUint16}, ports{0, math.MaxUint16}, lengths{0, math.MaxUint32}}

func (p ports) and(q ports) ports { return ports{max(p.low, q.low), min(p.high, q.high)} }

// and returns the pattern that fits what both fit. ok is false if no packet can fit.
func (p *pattern) and(q *pattern) (both pattern, ok bool) {
	for i := range p.mask {
		if p.mask[i]&q.mask[i]&(p.value[i]^q.value[i]) != 0 {
			return both, false
		}
	}
	both.mask, both.value = p.mask.or(&q.mask), p.value.or(&q.value)
	both.source, both.destination = p.source.and(q.source), p.destination.and(q.destination)
	both.length = lengths{max(p.length.low, q.length.low), min(p.length.high, q.length.high)}
	return both, both.settle()
}

// settle reports whether a packet can fit the pattern. It takes from the ranges what the
// mask says already.
func (p *pattern) settle() bool {
	mask, value := p.mask.key(), p.value.key()
	if p.length.low > p.length.high {
		return false
	}
	return settlePort(&p.source, mask.SourcePort, value.SourcePort) &&
		settlePort(&p.destination, mask.DestinationPort, value.DestinationPort) &&
		possible(&mask, &value)
}

// settlePort is settle for one port: its mask, which is all or nothing, and its value.
func settlePort(p *ports, mask, value uint16) bool {
	switch {
	case p.low > p.high || mask != 0 && (value < p.low || value > p.high):
		return false
	case mask != 0:
		*p = allRanges.source
	}
	return true
}

// possible reports whether a packet has all the fields that are asked for.
func possible(mask, value *Key) bool {
	if mask.EtherType != 0 {
		ip4, ip6 := value.EtherType == etherIPv4, value.EtherType == etherIPv6
		switch {
		case value.Has&HasIPv4 != 0 && !ip4 && value.EtherType != etherARP,
			value.Has&HasIPv6 != 0 && !ip6,
			value.Has&(HasDSCP|HasProtocol|HasPorts) != 0 && !ip4 && !ip6:
			return false
		}
	}
	if mask.Protocol != 0 && value.Has&HasPorts != 0 {
		return value.Protocol == protocolTCP || value.Protocol == protocolUDP || value.Protocol == protocolSCTP
	}
	return true
}
