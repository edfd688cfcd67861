package owner

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestOwnerAnswersARP: each request for an address of borea is answered once, by the link
// that owns the address, in each receive mode and with all settings of borea. A request
// that no link may answer is not answered.
func TestOwnerAnswersARP(t *testing.T) {
	b := newOwners(t, "--address", "10.9.0.3/32")
	ip(t, b, "address", "add", "10.9.0.3/32", "dev", lab.Link)
	routeHost(t, b, routedHost[4], true)
	a := newAsker(t, b, readARP)
	for _, rpFilter := range []string{"0", "1", "2"} {
		for _, arpIgnore := range []string{"0", "1"} {
			b.Sysctl(t, b.Borea, "ipv4/conf/all/rp_filter", rpFilter)
			b.Sysctl(t, b.Borea, "ipv4/conf/all/arp_ignore", arpIgnore)
			for _, mode := range []string{api.ReceiveNone, api.ReceiveAuto, api.ReceiveAll} {
				s := setting{mode: mode, strict: rpFilter == "1", ignoreARP: arpIgnore == "1"}
				t.Run(fmt.Sprintf("%s/rp_filter=%s/arp_ignore=%s", mode, rpFilter, arpIgnore), func(t *testing.T) {
					receive(t, b, mode) // the settings are checked too
					a.ask(t, s.requests(a))
				})
			}
		}
	}
}

var (
	arpTargets = []place{
		{"the slave's", slaveAddrs[4], true, false},
		{"insane's", ownAddrs[4], false, true},
		{"a borrowed address", netip.MustParseAddr("10.9.0.3"), true, true},
		{"nobody's", netip.MustParseAddr("10.9.0.77"), false, false},
	}
	arpSenders = []place{ // by the link of the route to them
		{"another host", otherHost[4], true, false},
		{"a routed host", routedHost[4], false, true},
		{"a host of insane's network", ownHost[4], false, true},
		{"who has no address yet", netip.IPv4Unspecified(), true, true}, // RFC 5227 section 2.1.1
	}
)

// requests returns the requests of every sender for every target, by broadcast and unicast.
func (s setting) requests(a *asker) (list []question) {
	for _, from := range arpSenders {
		for _, target := range arpTargets {
			want := 0
			if owner := s.ownerOfRequest(from, target); s.answersARP(owner, from, target) {
				want = 1
			}
			for _, to := range []net.HardwareAddr{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, a.shared} {
				mac := a.stranger()
				list = append(list, question{
					name: fmt.Sprintf("%s asks %s for %s", from.name, to, target.name),
					key:  mac.String(), frame: arpRequest(to, mac, from.addr, target.addr), want: want,
				})
			}
		}
	}
	return list
}

// ownerOfRequest returns the link whose stack gets a request.
func (s setting) ownerOfRequest(from, target place) string {
	own := target.device && !target.slave
	routed := from.device && !from.slave
	ours := target.slave || target.device
	switch {
	case s.mode == api.ReceiveAll, s.mode == api.ReceiveAuto && own,
		s.mode == api.ReceiveAuto && routed && ours && (!s.ignoreARP || target.device):
		return testbed.Device
	}
	return lab.Link
}

// answersARP reports whether the stack of a link answers (net/ipv4/arp.c, arp_process).
func (s setting) answersARP(link string, from, target place) bool {
	switch {
	case !target.slave && !target.device, s.ignoreARP && !target.on(link):
		return false
	}
	return !s.strict || from.on(link)
}

// arpRequest makes a request (RFC 826).
func arpRequest(to, from net.HardwareAddr, sender, target netip.Addr) []byte {
	f := append(append([]byte{}, to...), from...)
	for _, word := range []uint16{0x0806, 1, 0x0800, 6<<8 | 4, 1} {
		f = binary.BigEndian.AppendUint16(f, word)
	}
	f = append(append(f, from...), sender.AsSlice()...)
	f = append(append(f, make([]byte, 6)...), target.AsSlice()...)
	return append(f, make([]byte, 60-len(f))...)
}

// readARP accepts ARP replies as answers.
func readARP(f []byte) (key string, mac []byte, yes bool) {
	if len(f) < 42 || !bytes.Equal(f[12:14], []byte{0x08, 0x06}) || f[21] != 2 {
		return "", nil, false
	}
	return net.HardwareAddr(f[:6]).String(), f[22:28], true
}
