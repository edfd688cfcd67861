package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// addrGenRandom is IN6_ADDR_GEN_MODE_RANDOM of uapi/linux/if_link.h.
const addrGenRandom = 3

// quietIPv6 gives the new interface a random link-local address for when it
// comes up, since the one made from the cloned MAC is the slave's already, and
// lets it be used at once: detecting a duplicate of 64 random bits would only
// delay the first packet by two seconds. Routers are the slave's business. The
// settings are the interface's own and go with it.
func (i *Interface) quietIPv6(name string) error {
	if _, err := os.Stat(ipv6Setting(name, "")); err != nil {
		return nil // a kernel without IPv6
	}
	if err := i.links.h.LinkSetIP6AddrGenMode(i.link, addrGenRandom); err != nil {
		return fmt.Errorf("set IPv6 address generation: %w", err)
	}
	return quietSettings(name)
}

// renewIPv6 does the same to an interface that may be up: the address that the
// kernel has made already goes, and the change of the setting makes another
// (net/ipv6/addrconf.c, addrconf_sysctl_addr_gen_mode).
func (i *Interface) renewIPv6(name string) error {
	if _, err := os.Stat(ipv6Setting(name, "")); err != nil {
		return nil
	}
	if err := quietSettings(name); err != nil {
		return err
	}
	if err := i.dropLinkLocal(); err != nil {
		return err
	}
	return os.WriteFile(ipv6Setting(name, "addr_gen_mode"), []byte(strconv.Itoa(addrGenRandom)), 0)
}

// quietSettings does without where /proc/sys is read-only, as in containers:
// then the address is of use only when the kernel has looked for duplicates.
func quietSettings(name string) error {
	for _, key := range []string{"accept_dad", "accept_ra", "router_solicitations"} {
		err := os.WriteFile(ipv6Setting(name, key), []byte("0"), 0)
		if err != nil && !errors.Is(err, unix.EROFS) {
			return err
		}
	}
	return nil
}

// ipv6Setting is the file of a setting of one interface (ip-sysctl.rst).
func ipv6Setting(name, key string) string {
	return filepath.Join("/proc/sys/net/ipv6/conf", name, key)
}

// dropLinkLocal removes the address that the kernel made by itself.
func (i *Interface) dropLinkLocal() error {
	addrs, err := i.links.h.AddrList(i.link, unix.AF_INET6)
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
