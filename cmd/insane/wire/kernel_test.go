package wire

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
)

// unicastReceived is how many IP packets a host got, and how many bytes in them.
// Super-frames count as the packets they are, if that is known
// (net/ipv4/ip_input.c, ip_rcv_core: by gso_segs), and as their bytes. Multicast,
// in which a new link tells of its IPv6 groups, does not count.
func unicastReceived(t testing.TB, b *testbed.Bed, h *lab.Host, family int) (packets, octets uint64) {
	t.Helper()
	file, prefix := ipCounters(family)
	groups := b.Counter(t, h, file, prefix+"InMcastPkts")
	for {
		packets = 0
		for _, mark := range []string{"InNoECTPkts", "InECT0Pkts", "InECT1Pkts", "InCEPkts"} {
			packets += b.Counter(t, h, file, prefix+mark)
		}
		octets = b.Counter(t, h, file, prefix+"InOctets") - b.Counter(t, h, file, prefix+"InMcastOctets")
		again := b.Counter(t, h, file, prefix+"InMcastPkts")
		if again == groups { // else one may have come while the counters were read
			return packets - groups, octets
		}
		groups = again
	}
}

// groupsReceived is how many packets to groups a host got.
func groupsReceived(t testing.TB, b *testbed.Bed, h *lab.Host, family int) uint64 {
	t.Helper()
	file, prefix := ipCounters(family)
	return b.Counter(t, h, file, prefix+"InMcastPkts")
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
func checkEveryChecksum(t testing.TB, b *testbed.Bed, merge bool) {
	t.Helper()
	ethtool(t, b.From, unix.ETHTOOL_STXCSUM, 0)
	ethtool(t, b.To, unix.ETHTOOL_SRXCSUM, 0)
	if merge {
		ethtool(t, b.To, unix.ETHTOOL_SGRO, 1)
	}
}

// ethtool sets a feature of a host's end of the cable until the test ends. The command before
// each of these commands reads the feature (linux/ethtool.h).
func ethtool(t testing.TB, h *lab.Host, command, value uint32) {
	t.Helper()
	before := ethtoolValue(t, h, command-1, 0)
	t.Cleanup(func() { ethtoolValue(t, h, command, before) })
	ethtoolValue(t, h, command, value)
}

// ethtoolValue reads or sets a value of a host's end of the cable (struct ethtool_value of
// linux/ethtool.h).
func ethtoolValue(t testing.TB, h *lab.Host, command, data uint32) uint32 {
	t.Helper()
	value := struct{ command, data uint32 }{command, data}
	err := h.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		defer unix.Close(fd)
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
		t.Fatalf("ethtool command %#x with %d of %s: %v", command, data, h.Name, err)
	}
	return value.data
}
