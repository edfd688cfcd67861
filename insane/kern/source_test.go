package kern

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// A sample is the IP header of a packet that was relayed after the sample was asked for. What
// is dropped, and messages of neighbours of other kinds than IP, are no samples.
func TestSample(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	sent := func(s sample) {
		t.Helper()
		_, err := c.bpf.TransmitTcx.Run(c.options(s, s.build(0)))
		must(t, err)
	}
	expect := func(what string, want string) {
		t.Helper()
		header, taken := c.direction.Sample()
		if taken != (want != "") {
			t.Fatalf("%s: a sample was taken: %v", what, taken)
		}
		source := netip.AddrFrom4([4]byte(header[12:16]))
		if header[0]>>4 == 6 {
			source = netip.AddrFrom16([16]byte(header[8:24]))
		}
		if taken && source != ip(want) {
			t.Errorf("%s: from %v, want %s", what, source, want)
		}
	}
	c.open("pass", 0)
	sent(small)
	expect("before anybody asked", "")
	expect("nothing was sent", "")
	sent(small)
	six := sample{family: 6, protocol: unix.IPPROTO_TCP, payload: 1000, size: 100}
	sent(six)
	expect("the first of two", plain4)
	expect("nothing since", "")
	sent(six)
	expect("a super-frame of IPv6", plain6)
	sent(sample{message: &messages()[0]})
	sent(sample{what: "header alone", family: 4, protocol: unix.IPPROTO_UDP, mutate: func(f frame.Frame) { f[frame.HeaderLen+13] = 0xff }})
	c.open("percent 0", 0)
	sent(small)
	expect("ARP, something else, and a packet that is dropped", "")
	c.open("pass", 0)
	sent(small)
	expect("it was asked for before", plain4)
}
