package match

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/seed-39a139a1/insane/policy/unit"
)

// upTo returns a parser for whole numbers up to most.
func upTo(most unit.Number) func(string) (uint32, error) {
	return func(s string) (uint32, error) {
		n, err := unit.ParseNumber(s)
		if err != nil || n > most {
			return 0, errors.New("must be a whole number from 0 to " + most.String())
		}
		return uint32(n), nil
	}
}

var (
	errAddress = errors.New("must be an IPv4 or IPv6 address, such as 10.9.0.2 or fd00::2")
	errMapped  = errors.New("must be written as an IPv4 address")
	errZone    = errors.New("must not have a zone")
	errPrefix  = errors.New("must be an IPv4 or IPv6 prefix, such as 10.9.0.0/16 or fd00::/8")
	errRange   = errors.New("must be two ports from 0 to 65535, such as 6000-6100, the smaller one first")
	errMAC     = errors.New("must be an Ethernet address, such as 02:00:00:00:00:01")
	errType    = errors.New("must be an Ethernet type from 0x600 to 0xffff, such as 0x88cc")
)

// maxLength is more than any packet has bytes.
const maxLength = 1_000_000

var (
	parseOctet  = upTo(255)
	parsePort   = upTo(65535)
	parseLength = upTo(maxLength)
)

func readHost(r *reader) (term, error) {
	prefix, err := take(r, func(s string) (netip.Prefix, error) {
		a, err := parseAddress(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	})
	return term{kind: kindNet, prefix: prefix}, err
}

func parseAddress(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return a, errAddress
	case a.Zone() != "":
		return a, errZone
	case a.Is4In6():
		return a, errMapped
	}
	return a, nil
}

func readNet(r *reader) (term, error) {
	prefix, err := take(r, func(s string) (netip.Prefix, error) {
		p, err := netip.ParsePrefix(s)
		switch {
		case err != nil:
			return p, errPrefix
		case p.Addr().Is4In6():
			return p, errMapped
		case p != p.Masked():
			return p, errors.New("has bits behind the prefix; want " + p.Masked().String())
		}
		return p, nil
	})
	return term{kind: kindNet, prefix: prefix}, err
}

func readPort(r *reader) (term, error) {
	n, err := take(r, parsePort)
	return term{kind: kindPort, low: n, high: n}, err
}

func readPortRange(r *reader) (term, error) {
	t := term{kind: kindPort}
	_, err := take(r, func(s string) (_ struct{}, err error) {
		low, high, _ := strings.Cut(s, "-")
		var wrong error
		t.low, err = parsePort(low)
		t.high, wrong = parsePort(high)
		if err != nil || wrong != nil || t.low > t.high {
			err = errRange
		}
		return struct{}{}, err
	})
	return t, err
}

func readProtocol(r *reader) (term, error) {
	n, err := take(r, parseOctet)
	return term{kind: kindProtocol, low: n}, err
}

func readDSCP(r *reader) (term, error) {
	n, err := take(r, upTo(63))
	return term{kind: kindDSCP, low: n}, err
}

func readGreater(r *reader) (term, error) {
	n, err := take(r, parseLength)
	return term{kind: kindGreater, low: n}, err
}

func readLess(r *reader) (term, error) {
	n, err := take(r, parseLength)
	return term{kind: kindLess, high: n}, err
}

// readVLAN reads an identifier if a number follows.
func readVLAN(r *reader) (term, error) {
	if !r.more() || r.rest[0] == "" || strings.Trim(r.rest[0], "0123456789") != "" {
		return term{kind: kindVLAN, high: maxVLAN}, nil
	}
	n, err := take(r, upTo(maxVLAN))
	return term{kind: kindVLAN, low: n, high: n}, err
}

func readMAC(r *reader) (term, error) {
	mac, err := take(r, parseMAC)
	return term{kind: kindMAC, mac: mac}, err
}

// parseMAC reads six numbers of one or two hexadecimal digits.
func parseMAC(s string) (mac [6]byte, err error) {
	parts := strings.Split(s, ":")
	if len(parts) != len(mac) {
		return mac, errMAC
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 16, 8)
		if err != nil || len(part) > 2 {
			return [6]byte{}, errMAC
		}
		mac[i] = byte(n)
	}
	return mac, nil
}

func formatMAC(mac [6]byte) string {
	var parts []string
	for i := range mac {
		parts = append(parts, formatHex(mac[i:i+1]))
	}
	return strings.Join(parts, ":")
}

// formatHex returns two hexadecimal digits for each byte.
func formatHex(p []byte) string {
	const digits = "0123456789abcdef"
	var text []byte
	for _, b := range p {
		text = append(text, digits[b>>4], digits[b&0xf])
	}
	return string(text)
}

// readEtherType reads a decimal number, or a hexadecimal one behind 0x.
func readEtherType(r *reader) (term, error) {
	n, err := take(r, func(s string) (uint32, error) {
		digits, base := s, 10
		if hex, ok := strings.CutPrefix(s, "0x"); ok {
			digits, base = hex, 16
		}
		n, err := strconv.ParseUint(digits, base, 16)
		if err != nil || n < 0x600 {
			return 0, errType
		}
		return uint32(n), nil
	})
	return term{kind: kindEtherType, low: n}, err
}
