package host

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// IgnoresARP says whether the host keeps from answering, on one link, for the
// addresses of another (Documentation/networking/ip-sysctl.rst, arp_ignore). It
// reads /proc in the namespace of the process.
func IgnoresARP(link string) bool { return ipv4Setting(link, "arp_ignore") > 0 }

// StrictReversePath says whether the host refuses IPv4 packets that come in
// through another link than the one their answer would leave through
// (ip-sysctl.rst, rp_filter: 1 is strict). It reads /proc in the namespace of the
// process.
func StrictReversePath(link string) bool { return ipv4Setting(link, "rp_filter") == 1 }

// ipv4Setting is a setting of which the higher one counts, that of the link or
// that of all links. What cannot be read, since the link is gone or the kernel
// has no IPv4, is 0.
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
