package lab

import (
	"errors"
	"fmt"
	"os"
)

// setSysctls makes the calling thread's network namespace quiet and
// predictable, before there are interfaces to inherit it: addresses usable at
// once, no router sought, no packet refused for the way it came.
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
		{"ipv4/conf/all/rp_filter", "0"},
		{"ipv4/conf/default/rp_filter", "0"},
	} {
		if err := writeSysctl(s.name, s.value); err != nil {
			return err
		}
	}
	return nil
}

// keepNeighbours makes the calling thread's namespace believe for the next hour
// what it has learnt about neighbours on the link. Otherwise the kernel would ask
// again after 5 s for those that only asked it, after some 30 s for all
// (RFC 4861 section 10), through whatever fault is set by then; and question or
// answer would be in the device's counters.
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

// writeSysctl sets a value below net/ of the calling thread's namespace. The
// kernel finds it by who asks, not by path (net/sysctl_net.c, net_ctl_header_lookup).
func writeSysctl(name, value string) error {
	// Not os.WriteFile, which would try to create what the kernel lacks.
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
