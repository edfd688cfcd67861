package lab

import (
	"errors"
	"fmt"
	"os"
)

// setSysctls makes the calling thread's network namespace quiet and predictable: addresses
// can be used at once, no router is searched, a new link's groups are reported within some
// ten milliseconds and not within a second (RFC 3810 section 9.11), and no packet is refused
// because of the link on which it arrives. It must run before there are interfaces, because
// they inherit the settings.
func setSysctls() error {
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		return errors.New("the lab needs IPv6, which this kernel has not or has switched off")
	}
	for _, s := range []struct{ name, value string }{
		{"ipv6/conf/all/disable_ipv6", "0"},
		{"ipv6/conf/default/disable_ipv6", "0"},
		{"ipv6/conf/default/accept_dad", "0"},
		{"ipv6/conf/default/dad_transmits", "0"},
		{"ipv6/conf/default/accept_ra", "0"},
		{"ipv6/conf/default/router_solicitations", "0"},
		{"ipv6/conf/default/mldv1_unsolicited_report_interval", "10"},
		{"ipv6/conf/default/mldv2_unsolicited_report_interval", "10"},
		{"ipv4/conf/default/igmpv2_unsolicited_report_interval", "10"},
		{"ipv4/conf/default/igmpv3_unsolicited_report_interval", "10"},
		{"ipv4/conf/all/rp_filter", "0"},
		{"ipv4/conf/default/rp_filter", "0"},
	} {
		if err := writeSysctl(s.name, s.value); err != nil {
			return err
		}
	}
	return nil
}

// keepNeighbours keeps the neighbour entries of the calling thread's namespace on the link
// valid for an hour. Otherwise the kernel would ask again (RFC 4861 section 10): after 5 s
// for neighbours that only asked it, and after some 30 s for all. The question or the
// answer could be lost by a fault that is set by then, and the device would count both.
func keepNeighbours(link string) error {
	for _, family := range []string{"ipv4", "ipv6"} {
		dir := family + "/neigh/" + link + "/"
		if err := writeSysctl(dir+"base_reachable_time_ms", "3600000"); err != nil {
			return err
		}
		if err := writeSysctl(dir+"delay_first_probe_time", "3600"); err != nil {
			return err
		}
	}
	return nil
}

// writeSysctl sets a value below net/ of the calling thread's namespace. The kernel chooses
// the namespace by the thread, not by the path (net/sysctl_net.c, net_ctl_header_lookup).
func writeSysctl(name, value string) error {
	// os.WriteFile would try to create a file that the kernel does not have.
	f, err := os.OpenFile("/proc/sys/net/"+name, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("set sysctl: %w", err)
	}
	_, err = f.WriteString(value)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("set sysctl: %w", err)
	}
	return nil
}
