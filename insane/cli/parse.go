package cli

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os/user"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insane/rights"
)

// seed returns the given seed, or else 32 random bits. 32 bits are few enough for a user to
// type the seed again.
func seed(c *cli.Context) (uint64, error) {
	if c.IsSet("seed") {
		return parseSeed(c.String("seed"))
	}
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("draw a seed: %w", err)
	}
	return uint64(binary.NativeEndian.Uint32(b[:])), nil
}

func parseSeed(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		return 0, fmt.Errorf("seed: %q: want a whole number from 0 to 2^64-1", text)
	}
	return n, nil
}

// addresses reads addresses as `ip address add` does. An address without a length is a
// single host.
func addresses(texts []string) (list []netip.Prefix, err error) {
	for _, text := range texts {
		p, err := prefix(text)
		if err != nil {
			return nil, fmt.Errorf("address: %q: want an address such as 10.9.0.1/32", text)
		}
		list = append(list, p)
	}
	return list, nil
}

// routes reads destinations as `ip route add` does, and also names of hosts.
func routes(ctx context.Context, texts []string) (list []netip.Prefix, err error) {
	for _, text := range texts {
		p, err := prefix(text)
		switch {
		case err == nil:
			list = append(list, p.Masked())
		case text == "default":
			list = append(list, netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0))
		case strings.ContainsAny(text, "/:%"): // no name of a host contains these
			return nil, fmt.Errorf("route: %q: want an address, a prefix such as 10.9.0.0/24, a host name or default", text)
		default:
			hosts, err := resolve(ctx, text)
			if err != nil {
				return nil, err
			}
			list = append(list, hosts...)
		}
	}
	return list, nil
}

// leftRoutes is the name under which the routes are left to the program that the daemon executes.
const leftRoutes = "INSANE_ROUTES"

// handRoutes leaves the routes to that program.
func handRoutes(list []netip.Prefix) error {
	var texts []string
	for _, p := range list {
		texts = append(texts, p.String())
	}
	return rights.Leave(leftRoutes, strings.Join(texts, " "))
}

// takeRoutes returns the routes that the program before has left to this one.
func takeRoutes() (list []netip.Prefix, taken bool, err error) {
	text, taken, err := rights.Take(leftRoutes)
	for _, word := range strings.Fields(text) {
		p, err := netip.ParsePrefix(word)
		if err != nil {
			return nil, true, fmt.Errorf("take over routes: %w", err)
		}
		list = append(list, p)
	}
	return list, taken, err
}

// resolve returns a route for each address of a host.
func resolve(ctx context.Context, name string) (list []netip.Prefix, err error) {
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		var dns *net.DNSError
		if errors.As(err, &dns) {
			return nil, fmt.Errorf("route: %q: %s", name, dns.Err)
		}
		return nil, fmt.Errorf("route: %q: %w", name, err)
	}
	for _, addr := range found {
		addr = addr.Unmap()
		list = append(list, netip.PrefixFrom(addr, addr.BitLen()))
	}
	return list, nil
}

// prefix reads ADDRESS or ADDRESS/BITS. It refuses forms that the kernel would read
// differently: zones, and IPv4 addresses in IPv6 form.
func prefix(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if addr, addrErr := netip.ParseAddr(text); addrErr == nil && addr.Zone() == "" {
		p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if err == nil && p.Addr().Is4In6() {
		err = errors.New("IPv4-mapped")
	}
	return p, err
}

// group returns the number of a group, given its name or number; nil for "".
func group(name string) (*uint32, error) {
	if name == "" {
		return nil, nil
	}
	id := name
	if g, err := user.LookupGroup(name); err == nil {
		id = g.Gid
	}
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil || n == math.MaxUint32 { // (gid_t)-1 is not a valid group
		return nil, fmt.Errorf("group: %q: no such group", name)
	}
	gid := uint32(n)
	return &gid, nil
}
