package host

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// IgnoresARP reports whether the host does not answer ARP requests on this link for the
// addresses of its other links (Documentation/networking/ip-sysctl.rst, arp_ignore). It
// reads /proc in the network namespace of the process.
func IgnoresARP(link string) bool { return ipv4Setting(link, "arp_ignore") > 0 }

// WithoutIPv6 reports whether a link has no IPv6: it is disabled on the link, the MTU is less
// than MinIPv6MTU, or the kernel has none. It reads /proc in the network namespace of the
// calling thread.
func WithoutIPv6(link string) bool {
	text, err := readAll(ipv6Setting(link, "disable_ipv6"))
	return err != nil || strings.TrimSpace(string(text)) != "0"
}

// StrictReversePath reports whether the host refuses IPv4 packets on this link if their
// answers would leave through another link (ip-sysctl.rst, rp_filter: 1 is strict). It
// reads /proc in the network namespace of the process.
func StrictReversePath(link string) bool { return ipv4Setting(link, "rp_filter") == 1 }

// ipv4Setting returns a setting for which the kernel takes the greater of two values: that
// of the link and that of "all". A value that cannot be read counts as 0: the link is
// gone, or the kernel has no IPv4.
func ipv4Setting(link, key string) int {
	highest := 0
	for _, name := range []string{"all", link} {
		text, err := os.ReadFile(filepath.Join("/proc/sys/net/ipv4/conf", name, key))
		if err != nil {
			continue
		}
		if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			highest = max(highest, n)
		}
	}
	return highest
}
