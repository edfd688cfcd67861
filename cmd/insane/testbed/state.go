package testbed

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// Teardown is how long the kernel may take to clean up after a process. It closes
// descriptors before the parent hears of the death, but delays some of the cleanup: sockets
// that were sent over a closed connection wait for the garbage collector of Unix sockets,
// /proc entries wait for an RCU grace period.
const Teardown = time.Second

// HostState is everything on a host that a device could leave behind and that changes how
// the host behaves, one line each, sorted. It has no counters, timers or learnt neighbours.
type HostState []string

// StateOf reads the state after the kernel has finished setting the host up: IPv6 addresses
// are tentative for a moment, and have no routes until then.
func StateOf(t testing.TB, h *lab.Host) HostState {
	t.Helper()
	labtest.Await(t, "addresses to be usable", func() bool {
		addrs, err := h.Netlink().AddrList(nil, netlink.FAMILY_V6)
		return err == nil && !slices.ContainsFunc(addrs, func(a netlink.Addr) bool {
			return a.Flags&unix.IFA_F_TENTATIVE != 0
		})
	})
	return StateNow(t, h)
}

// StateNow reads the whole state at once.
func StateNow(t testing.TB, h *lab.Host) HostState {
	t.Helper()
	var s HostState
	err := h.Do(func() error {
		for _, read := range []func(*netlink.Handle) error{
			s.links, s.addresses, s.routes, s.traffic, s.sysctls, s.sockets,
		} {
			if err := read(h.Netlink()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("read state of %s: %v", h.Name, err)
	}
	slices.Sort(s)
	return s
}

func (s *HostState) add(format string, args ...any) { *s = append(*s, fmt.Sprintf(format, args...)) }

// links includes how many users want a link to be promiscuous or to receive all multicast.
func (s *HostState) links(h *netlink.Handle) error {
	links, err := h.LinkList()
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	for _, l := range links {
		a := l.Attrs()
		s.add("link %s %s index %d flags %#x mtu %d mac %s alias %q promisc %d allmulti %d txqlen %d %s master %d",
			a.Name, l.Type(), a.Index, a.RawFlags, a.MTU, a.HardwareAddr, a.Alias,
			a.Promisc, a.Allmulti, a.TxQLen, a.OperState, a.MasterIndex)
	}
	return nil
}

func (s *HostState) addresses(h *netlink.Handle) error {
	addrs, err := h.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addrs {
		s.add("address %s link %d scope %d flags %#x", a.IPNet, a.LinkIndex, a.Scope, a.Flags)
	}
	return nil
}

// routes adds the routes of every table, and the rules that choose a table.
func (s *HostState) routes(h *netlink.Handle) error {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := h.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		if err != nil {
			return fmt.Errorf("list routes: %w", err)
		}
		for _, r := range routes {
			s.add("route %s type %d priority %d", r, r.Type, r.Priority)
		}
		rules, err := h.RuleList(family)
		if err != nil {
			return fmt.Errorf("list rules: %w", err)
		}
		for _, r := range rules {
			s.add("rule %d %s", family, r)
		}
	}
	return nil
}

// traffic adds what tc shows, and the programs of tcx.
func (s *HostState) traffic(h *netlink.Handle) error {
	links, err := h.LinkList()
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	for _, l := range links {
		name := l.Attrs().Name
		programs, _, err := Attached(l.Attrs().Index)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, p := range programs {
			s.add("tcx %s %s", name, p)
		}
		qdiscs, err := h.QdiscList(l)
		if err != nil {
			return fmt.Errorf("list qdiscs of %s: %w", name, err)
		}
		for _, q := range qdiscs {
			s.add("qdisc %s %s parent %#x", name, q.Type(), q.Attrs().Parent)
		}
		for _, parent := range []uint32{netlink.HANDLE_ROOT, netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
			filters, err := h.FilterList(l, parent)
			if err != nil {
				continue // the link has no qdisc that could have filters
			}
			for _, f := range filters {
				a := f.Attrs()
				s.add("filter %s %s parent %#x priority %d protocol %#x handle %#x",
					name, f.Type(), parent, a.Priority, a.Protocol, a.Handle)
			}
		}
	}
	return nil
}

// sysctls adds all values of the namespace that can be read.
func (s *HostState) sysctls(*netlink.Handle) error {
	const root = "/proc/sys/net"
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil // a link may be deleted during the walk; the next look shows it
		}
		value, err := os.ReadFile(path)
		if err != nil || strings.HasSuffix(path, "nf_conntrack_count") {
			return nil // some can only be written, and one is a counter
		}
		s.add("sysctl %s = %s", strings.TrimPrefix(path, root+"/"), bytes.TrimSpace(value))
		return nil
	})
}

// sockets adds the sockets of the kinds that a daemon uses, without the columns that count
// or number.
func (s *HostState) sockets(*netlink.Handle) error {
	for _, table := range []struct {
		name    string
		columns []int
	}{
		{"packet", []int{2, 3, 4}},    // type, protocol, interface
		{"unix", []int{3, 4, 5, 7}},   // flags, type, state, path
		{"netlink", []int{1, 3}},      // protocol, groups
		{"dev_mcast", []int{1, 2, 4}}, // link, users, address
		{"raw", []int{1}},             // local address
		{"raw6", []int{1}},            // local address
	} {
		text, err := os.ReadFile("/proc/thread-self/net/" + table.name)
		if err != nil {
			return err
		}
		for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			fields := strings.Fields(line)
			row := "socket " + table.name
			for _, c := range table.columns {
				if c < len(fields) {
					row += " " + fields[c]
				}
			}
			s.add("%s", row)
		}
	}
	return nil
}

// SameState fails unless a host returns to a state within Teardown. It returns how long
// that took.
func SameState(t testing.TB, h *lab.Host, before HostState) time.Duration {
	t.Helper()
	start := time.Now()
	for {
		began := time.Since(start) // the look itself takes a while
		after := StateNow(t, h)
		if slices.Equal(before, after) {
			return time.Since(start)
		}
		if began > Teardown {
			t.Fatalf("the device left something behind (-before +after):\n%s", cmp.Diff(before, after))
		}
		time.Sleep(time.Millisecond)
	}
}
