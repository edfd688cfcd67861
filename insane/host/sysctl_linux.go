package host

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Answering says what the host answers and refuses on one link, by its settings of IPv4
// (Documentation/networking/ip-sysctl.rst).
type Answering struct {
	IgnoresARP        bool // no ARP request for an address of another link is answered (arp_ignore)
	ProxiesARP        bool // ARP requests are answered for addresses that are routed through other links (proxy_arp)
	StrictReversePath bool // packets are refused whose answers would leave through another link (rp_filter)
	LooseReversePath  bool // the same, as long as the link has no IPv4 address (net/ipv4/fib_frontend.c, __fib_validate_source)
}

// AnsweringOn reads the settings of a link. It reads /proc in the network namespace of the
// process. The zero value says that the link is gone, or has no IPv4.
func AnsweringOn(link string) Answering {
	return Answering{
		IgnoresARP: ipv4Setting(link, "arp_ignore") > 0, ProxiesARP: ipv4Setting(link, "proxy_arp") > 0,
		StrictReversePath: StrictReversePath(link), LooseReversePath: ipv4Setting(link, "rp_filter") == 2,
	}
}

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
