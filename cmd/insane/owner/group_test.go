package owner

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// perGroup is the number of packets to each group.
const perGroup = 10

// TestOwnerOfBroadcasts: a broadcast of insane's network is received there, once. A
// broadcast of the slave's network is received at the slave, even if its sender is routed
// through insane.
func TestOwnerOfBroadcasts(t *testing.T) {
	b := newOwners(t)
	routeHost(t, b, routedHost[4], true)
	b.AwaitState(t, func(i api.Info) bool { return contains(i.Takes.From, routedHost[4]) })
	w := newWitness(t, b)
	for _, tt := range []struct {
		from netip.Addr
		to   string
		link string
	}{
		{ownHost[4], "10.8.0.255", testbed.Device},
		{ownHost[4], "255.255.255.255", testbed.Device},
		{otherHost[4], "10.9.0.255", lab.Link},
		{otherHost[4], "255.255.255.255", lab.Link},
		{routedHost[4], "10.9.0.255", lab.Link},
		{routedHost[4], "255.255.255.255", lab.Link},
	} {
		newStream(t, b, tt.from, netip.MustParseAddr(tt.to), w.port()).send(t, 0, perGroup, labelLen)
		if diff := cmp.Diff(map[string]int{tt.link: perGroup}, w.collect(t, b, 0, perGroup)); diff != "" {
			t.Errorf("from %s to %s (-want +got):\n%s", tt.from, tt.to, diff)
		}
	}
}

// TestOwnerOfGroups: a socket that joins a multicast group on insane receives the packets
// of insane's network; a socket that joins it on the slave receives the others. Each
// receives them once.
func TestOwnerOfGroups(t *testing.T) {
	b := newOwners(t)
	groups := addrs("239.1.2.3", "ff15::4:5")
	for _, family := range families {
		for _, joined := range []string{testbed.Device, lab.Link} {
			t.Run(fmt.Sprintf("IPv%d/%s", family, joined), func(t *testing.T) {
				w := newWitness(t, b)
				w.join(t, groups[family], labtest.LinkOf(t, b.Borea, joined).Attrs().Index)
				for link, from := range map[string]netip.Addr{testbed.Device: ownHost[family], lab.Link: otherHost[family]} {
					want := make(map[string]int)
					if link == joined {
						want[link] = perGroup
					}
					newStream(t, b, from, groups[family], w.port()).send(t, 0, perGroup, labelLen)
					if diff := cmp.Diff(want, w.collect(t, b, 0, want[link])); diff != "" {
						t.Errorf("from %s (-want +got):\n%s", from, diff)
					}
				}
			})
		}
	}
}

// join makes the witness a member of a group on one link. It receives only groups that it
// has joined itself (ip(7), IP_MULTICAST_ALL).
func (w *witness) join(t testing.TB, group netip.Addr, link int) {
	t.Helper()
	const ipv6MulticastAll = 29 // uapi/linux/in6.h
	testbed.SetOption(t, w.conn, unix.SOL_IP, unix.IP_MULTICAST_ALL, 0)
	testbed.SetOption(t, w.conn, unix.SOL_IPV6, ipv6MulticastAll, 0)
	testbed.OnSocket(t, w.conn, func(fd int) error {
		if group.Is4() {
			return unix.SetsockoptIPMreqn(fd, unix.SOL_IP, unix.IP_ADD_MEMBERSHIP,
				&unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(link)})
		}
		return unix.SetsockoptIPv6Mreq(fd, unix.SOL_IPV6, unix.IPV6_JOIN_GROUP,
			&unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(link)})
	})
}

// TestOwnersHearQueries: a query for the members of groups reaches both stacks, because
// each has its own members.
func TestOwnersHearQueries(t *testing.T) {
	b := newOwners(t)
	const count = 3
	want := map[string]int{lab.Link: count, testbed.Device: count}
	out := b.RawSocket(t, b.Morgana, lab.Link, 0)
	t.Run("IGMP", func(t *testing.T) {
		c := rawIP(t, b, "ip4:2", "0.0.0.0")
		in := ipv4.NewPacketConn(c)
		if err := in.SetControlMessage(ipv4.FlagInterface, true); err != nil {
			t.Fatal(err)
		}
		hear := func() (byte, int, error) {
			buffer := make([]byte, 200)
			n, control, _, err := in.ReadFrom(buffer)
			if err != nil || n == 0 {
				return 0, 0, err
			}
			return buffer[0], control.IfIndex, nil
		}
		for _, from := range []netip.Addr{otherHost[4], ownHost[4], routedHost[4]} {
			query(t, b, out, igmpQuery(from), count)
			if diff := cmp.Diff(want, heardQueries(t, b, c, 0x11, 2*count, hear)); diff != "" {
				t.Errorf("from %s (-want +got):\n%s", from, diff)
			}
		}
	})
	t.Run("MLD", func(t *testing.T) {
		c := rawIP(t, b, "ip6:58", "::")
		in := ipv6.NewPacketConn(c)
		if err := in.SetControlMessage(ipv6.FlagInterface, true); err != nil {
			t.Fatal(err)
		}
		hear := func() (byte, int, error) {
			buffer := make([]byte, 200)
			n, control, _, err := in.ReadFrom(buffer)
			if err != nil || n == 0 {
				return 0, 0, err
			}
			return buffer[0], control.IfIndex, nil
		}
		query(t, b, out, mldQuery(), count)
		if diff := cmp.Diff(want, heardQueries(t, b, c, 130, 2*count, hear)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// rawIP opens a socket in borea for all packets of a protocol.
func rawIP(t testing.TB, b *testbed.Bed, network, addr string) (c net.PacketConn) {
	t.Helper()
	err := b.Borea.Do(func() (err error) { c, err = net.ListenPacket(network, addr); return err })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// query sends a frame count times.
func query(t testing.TB, b *testbed.Bed, out *testbed.RawSocket, frame []byte, count int) {
	t.Helper()
	for range count {
		if err := out.Send(frame); err != nil {
			t.Fatal(err)
		}
	}
}

// heardQueries counts messages of one type by the link through which they came. It waits
// for want of them, and a moment more for others.
func heardQueries(t testing.TB, b *testbed.Bed, c net.PacketConn, kind byte, want int, hear func() (byte, int, error)) map[string]int {
	t.Helper()
	ways, wait := make(map[string]int), testbed.Longest
	for {
		_ = c.SetReadDeadline(time.Now().Add(wait))
		got, link, err := hear()
		if err != nil {
			return ways
		}
		if got != kind {
			continue
		}
		ways[name(t, b, link)]++
		if want--; want <= 0 {
			wait = 50 * time.Millisecond
		}
	}
}

// igmpQuery makes a query for the members of all groups (RFC 2236).
func igmpQuery(from netip.Addr) []byte {
	message := []byte{0x11, 1, 0, 0, 0, 0, 0, 0}
	sum := internetChecksum(message)
	message[2], message[3] = byte(sum>>8), byte(sum)
	header := append([]byte{0x46, 0, 0, 32, 0, 0, 0, 0, 1, 2, 0, 0}, from.AsSlice()...)
	header = append(header, 224, 0, 0, 1, 0x94, 4, 0, 0) // to all hosts, with a router alert
	sum = internetChecksum(header)
	header[10], header[11] = byte(sum>>8), byte(sum)
	f := bytes.Join([][]byte{{0x01, 0, 0x5e, 0, 0, 1}, testbed.Stranger, {0x08, 0}, header, message}, nil)
	return append(f, make([]byte, 60-len(f))...)
}

// mldQuery makes the same query for IPv6 (RFC 2710), in a packet with a router alert.
func mldQuery() []byte {
	from, to := netip.MustParseAddr("fe80::9:ee"), netip.MustParseAddr("ff02::1")
	message := make([]byte, 24)
	message[0] = 130
	packet := ipv6Packet(from, to, unix.IPPROTO_ICMPV6, message, 2)
	header, rest := packet[:40], packet[40:]
	header[5], header[6], header[7] = byte(len(rest)+8), 0, 1 // a hop-by-hop header comes next
	alert := []byte{unix.IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0}
	return bytes.Join([][]byte{{0x33, 0x33, 0, 0, 0, 1}, testbed.Stranger, {0x86, 0xdd}, header, alert, rest}, nil)
}
