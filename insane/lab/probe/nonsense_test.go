package probe

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
)

func TestProbeRefusesNonsense(t *testing.T) {
	good := Probe{Address: netip.MustParseAddr("10.9.0.2"), Count: 1, Rate: 1}
	for _, tt := range []struct {
		change func(*Probe)
		want   string
	}{
		{func(p *Probe) { p.Address = netip.Addr{} }, "probe address: must be given"},
		{func(p *Probe) { p.Count = 0 }, "probe count 0: must be 1 to 10000000 packets"},
		{func(p *Probe) { p.Rate = -1 }, "probe rate -1: must be 1 to 1000000 packets per second"},
		{func(p *Probe) { p.Payload = 7 }, "probe payload 7: must be 8 to 1232 bytes"},
		{func(p *Probe) { p.Payload = 1233 }, "probe payload 1233: must be 8 to 1232 bytes"},
		{func(p *Probe) { p.Buffer = -1 }, "probe buffer -1: must be 1 to 1073741824 bytes"},
		{func(p *Probe) { p.Witness, p.Address = "eth0", netip.IPv6Loopback() }, "probe witness eth0: needs an IPv4 address, not ::1"},
		{func(p *Probe) { p.Settle = -1 }, "probe settle -1ns: must not be negative"},
	} {
		p := good
		tt.change(&p)
		if _, err := p.Run(context.Background()); fmt.Sprint(err) != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}
