package port

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Adopt copies the MAC and the broadcast address of the slave, as the original
// did, so that what the host sends looks like the slave's own. A loopback slave
// has no address that an Ethernet interface could take; the TAP keeps its own
// then.
func (t *TAP) Adopt(slave Link) error {
	if !validUnicast(slave.MAC) {
		return nil
	}
	if err := t.links.h.LinkSetHardwareAddr(t.link, slave.MAC); err != nil {
		return fmt.Errorf("set MAC address of %s to %s: %w", t.link.Attrs().Name, slave.MAC, err)
	}
	broadcast, err := t.links.broadcast(slave.Index)
	if err != nil {
		return err
	}
	if err := t.links.setBroadcast(t.index, broadcast); err != nil {
		return fmt.Errorf("set broadcast address of %s to %s: %w", t.link.Attrs().Name, broadcast, err)
	}
	return nil
}

// validUnicast is include/linux/etherdevice.h, is_valid_ether_addr.
func validUnicast(mac net.HardwareAddr) bool {
	if len(mac) != 6 || mac[0]&1 != 0 {
		return false
	}
	for _, b := range mac {
		if b != 0 {
			return true
		}
	}
	return false
}

// MinIPv6MTU is the least an interface needs to carry IPv6 (RFC 8200 §5).
const MinIPv6MTU = 1280

// SetMTU takes bytes. When the MTU falls below what IPv6 needs, the kernel takes
// IPv6 off the interface, with all its addresses and settings; when it rises
// again, IPv6 comes back as on a new interface (net/ipv6/addrconf.c,
// addrconf_notify). SetMTU makes the settings again; addresses are the caller's.
func (t *TAP) SetMTU(mtu int) error {
	before, err := t.links.ByIndex(t.index)
	if err != nil {
		return err
	}
	if err := t.links.h.LinkSetMTU(t.link, mtu); err != nil {
		return fmt.Errorf("set MTU of %s to %d: %w", before.Name, mtu, err)
	}
	if before.MTU >= MinIPv6MTU || mtu < MinIPv6MTU {
		return nil
	}
	return t.renewIPv6(before.Name)
}

// addrGenRandom is IN6_ADDR_GEN_MODE_RANDOM of uapi/linux/if_link.h.
const addrGenRandom = 3

// quietIPv6 gives the new interface a random link-local address for when it
// comes up, since the one made from the cloned MAC is the slave's already, and
// lets it be used at once: detecting a duplicate of 64 random bits would only
// delay the first packet by two seconds. Routers are the slave's business. The
// settings are the interface's own and go with it.
func (t *TAP) quietIPv6(name string) error {
	if _, err := os.Stat(ipv6Setting(name, "")); err != nil {
		return nil // a kernel without IPv6
	}
	if err := t.links.h.LinkSetIP6AddrGenMode(t.link, addrGenRandom); err != nil {
		return fmt.Errorf("set IPv6 address generation: %w", err)
	}
	return quietSettings(name)
}

// renewIPv6 does the same to an interface that may be up: the address that the
// kernel has made already goes, and the change of the setting makes another
// (net/ipv6/addrconf.c, addrconf_sysctl_addr_gen_mode).
func (t *TAP) renewIPv6(name string) error {
	if _, err := os.Stat(ipv6Setting(name, "")); err != nil {
		return nil
	}
	if err := quietSettings(name); err != nil {
		return err
	}
	if err := t.dropLinkLocal(); err != nil {
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
func (t *TAP) dropLinkLocal() error {
	addrs, err := t.links.h.AddrList(t.link, unix.AF_INET6)
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addrs {
		if !a.IP.IsLinkLocalUnicast() {
			continue
		}
		if err := t.links.h.AddrDel(t.link, &netlink.Addr{IPNet: a.IPNet}); err != nil {
			return fmt.Errorf("remove address %s: %w", a.IPNet, err)
		}
	}
	return nil
}
