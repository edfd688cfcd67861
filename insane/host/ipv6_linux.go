package host

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Ways in which the kernel makes a link-local address: IN6_ADDR_GEN_MODE_… of
// uapi/linux/if_link.h.
const (
	addrGenNone   = 1
	addrGenRandom = 3
)

// quietIPv6 sets up IPv6 on a new interface that is down. The interface gets a random
// link-local address when it comes up, because the address that the kernel would make from
// the MAC address is the slave's already. The interface sends no router solicitations and
// ignores router advertisements: routers are found by the slave. It does not look for
// duplicates of its random address, which would delay the first packet by two seconds. The
// kernel keeps the settings with the interface and drops them with it. On a kernel without
// IPv6 quietIPv6 does nothing.
func (i *Interface) quietIPv6(name string) error {
	if _, err := os.Stat(ipv6Setting(name, "")); err != nil {
		return nil // a kernel without IPv6
	}
	if err := i.links.h.LinkSetIP6AddrGenMode(i.link, addrGenRandom); err != nil {
		return fmt.Errorf("set IPv6 address generation: %w", err)
	}
	return quietSettings(name)
}

// renewIPv6 does the same to an interface that may be up, and may be called again. It removes
// the link-local address that the kernel has made already; a change of the setting then makes
// the kernel generate another (net/ipv6/addrconf.c, addrconf_sysctl_addr_gen_mode). To write
// the same value once more would not, so the setting is turned off first. Where /proc/sys cannot
// be written, renewIPv6 draws the address itself.
func (i *Interface) renewIPv6(name string) error {
	if _, err := os.Stat(ipv6Setting(name, "")); err != nil {
		return nil
	}
	if err := quietSettings(name); err != nil {
		return err
	}
	generate := func(mode int) error {
		return os.WriteFile(ipv6Setting(name, "addr_gen_mode"), []byte(strconv.Itoa(mode)), 0)
	}
	err := generate(addrGenNone)
	if err != nil && !readOnly(err) {
		return err
	}
	if err := i.dropLinkLocal(); err != nil {
		return err
	}
	if err == nil {
		return generate(addrGenRandom)
	}
	if err := i.links.h.LinkSetIP6AddrGenMode(i.link, addrGenRandom); err != nil {
		return fmt.Errorf("set IPv6 address generation: %w", err)
	}
	return i.AddAddress(randomLinkLocal())
}

// randomLinkLocal draws a link-local address.
func randomLinkLocal() netip.Prefix {
	addr := netip.MustParseAddr("fe80::").As16()
	_, _ = rand.Read(addr[8:]) // never fails
	return netip.PrefixFrom(netip.AddrFrom16(addr), 64)
}

// quietSettings writes the settings that quietIPv6 describes. It is no error if /proc/sys
// cannot be written, as in containers: then the address can be used only after the kernel
// has looked for duplicates.
func quietSettings(name string) error {
	for _, key := range []string{"accept_dad", "accept_ra", "router_solicitations"} {
		err := os.WriteFile(ipv6Setting(name, key), []byte("0"), 0)
		if err != nil && !readOnly(err) {
			return err
		}
	}
	return nil
}

// readOnly reports whether an error means that a setting may be read and not written: its
// file system is read-only, or another user namespace owns it.
func readOnly(err error) bool {
	return errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM)
}

// ipv6Setting returns the path of one IPv6 setting of one interface
// (Documentation/networking/ip-sysctl.rst). With the key "" it is their directory.
func ipv6Setting(name, key string) string {
	return filepath.Join("/proc/sys/net/ipv6/conf", name, key)
}

// dropLinkLocal removes every link-local address of the interface.
func (i *Interface) dropLinkLocal() error {
	addrs, err := dump(func() ([]netlink.Addr, error) { return i.links.h.AddrList(i.link, unix.AF_INET6) })
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addrs {
		if !a.IP.IsLinkLocalUnicast() {
			continue
		}
		if err := i.links.h.AddrDel(i.link, &netlink.Addr{IPNet: a.IPNet}); err != nil {
			return fmt.Errorf("remove address %s: %w", a.IPNet, err)
		}
	}
	return nil
}

// explainIPv6 says what an error of the kernel about an IPv6 address or route of the
// interface means, where IPv6 is off. Such an error is no lack of rights, so it wraps none.
func (i *Interface) explainIPv6(err error) error {
	name := i.link.Attrs().Name
	switch {
	case errors.Is(err, unix.EACCES) && disabledIPv6(name):
		return fmt.Errorf("IPv6 is disabled on %s: set net.ipv6.conf.default.disable_ipv6 to 0 before the start", name)
	case errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP):
		return errors.New("the kernel has no IPv6, or it was turned off at boot (ipv6.disable=1)")
	}
	return err
}

// disabledIPv6 reports whether IPv6 is turned off on a link.
func disabledIPv6(name string) bool {
	text, err := os.ReadFile(ipv6Setting(name, "disable_ipv6"))
	return err == nil && strings.TrimSpace(string(text)) == "1"
}
