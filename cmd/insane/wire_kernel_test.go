package main

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/lab"
)

// counter reads a counter of a host's kernel (proc_net(5)): from snmp or netstat
// one called "Group:Name", from snmp6 one called "Name".
func (b *testbed) counter(t testing.TB, h *lab.Host, file, name string) uint64 {
	t.Helper()
	var text []byte
	err := h.Do(func() (err error) { text, err = os.ReadFile("/proc/thread-self/net/" + file); return err })
	if err != nil {
		t.Fatal(err)
	}
	group, column, grouped := strings.Cut(name, ":")
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		switch {
		case !grouped && fields[0] == name:
			return parseCounter(t, name, fields[1])
		case !grouped || fields[0] != group+":":
		case names == nil: // the first line of a group has the names, the second the values
			names = fields
		default:
			for i, value := range fields {
				if names[i] == column {
					return parseCounter(t, name, value)
				}
			}
		}
	}
	t.Fatalf("%s of %s has no %s", file, h.Name, name)
	return 0
}

func parseCounter(t testing.TB, name, value string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return n
}

// unicastReceived is how many IP packets a host got, and how many bytes in them.
// Super-frames count as the packets they are, if that is known
// (net/ipv4/ip_input.c, ip_rcv_core: by gso_segs), and as their bytes. Multicast,
// in which a new link tells of its IPv6 groups, does not count.
func (b *testbed) unicastReceived(t testing.TB, h *lab.Host, family int) (packets, octets uint64) {
	t.Helper()
	file, prefix := ipCounters(family)
	groups := b.counter(t, h, file, prefix+"InMcastPkts")
	for {
		packets = 0
		for _, mark := range []string{"InNoECTPkts", "InECT0Pkts", "InECT1Pkts", "InCEPkts"} {
			packets += b.counter(t, h, file, prefix+mark)
		}
		octets = b.counter(t, h, file, prefix+"InOctets") - b.counter(t, h, file, prefix+"InMcastOctets")
		again := b.counter(t, h, file, prefix+"InMcastPkts")
		if again == groups { // else one may have come while the counters were read
			return packets - groups, octets
		}
		groups = again
	}
}

// groupsReceived is how many packets to groups a host got.
func (b *testbed) groupsReceived(t testing.TB, h *lab.Host, family int) uint64 {
	t.Helper()
	file, prefix := ipCounters(family)
	return b.counter(t, h, file, prefix+"InMcastPkts")
}

// ipCounters are where IP counts what it receives.
func ipCounters(family int) (file, prefix string) {
	if family == 6 {
		return "snmp6", "Ip6"
	}
	return "netstat", "IpExt:"
}

// checkEveryChecksum makes the two ends of the cable do without checksum offload. Usually a
// veth leaves checksums open, as nothing can go wrong inside one machine; now
// the sender's end finishes each and the receiver's kernel verifies each. That also
// ends the sender's super-frames, so the receiver puts packets together as a NIC
// does, if it is to.
func (b *testbed) checkEveryChecksum(t testing.TB, merge bool) {
	t.Helper()
	b.ethtool(t, b.from, unix.ETHTOOL_STXCSUM, 0)
	b.ethtool(t, b.to, unix.ETHTOOL_SRXCSUM, 0)
	if merge {
		b.ethtool(t, b.to, unix.ETHTOOL_SGRO, 1)
	}
}

// ethtool sets a feature of a host's end of the cable (struct ethtool_value of
// linux/ethtool.h).
func (b *testbed) ethtool(t testing.TB, h *lab.Host, command, value uint32) {
	t.Helper()
	err := h.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		defer unix.Close(fd)
		value := struct{ command, data uint32 }{command, value}
		request := struct {
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [16]byte // the rest of union ifr_ifru
		}{data: unsafe.Pointer(&value)}
		copy(request.name[:], lab.Link)
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
		if errno != 0 {
			return os.NewSyscallError("ioctl SIOCETHTOOL", errno)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("set feature %#x of %s to %d: %v", command, h.Name, value, err)
	}
}
