package probe

import (
	"strings"
	"testing"
)

func TestParseKernelCounts(t *testing.T) {
	const snmp = `Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors
Ip: 2 64 11722 5 0
IcmpMsg: InType3
IcmpMsg: 55
Tcp: RtoAlgorithm MaxConn
Tcp: 1 -1
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors MemErrors
Udp: 55 9 40 56 20 8 13 7
UdpLite: InDatagrams InErrors
UdpLite: 100 100
`
	got, err := parseKernelCounts(strings.NewReader(snmp))
	if want := (kernelCounts{rejected: 5 + 40 - 20 - 7, overflowed: 27}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for name, bad := range map[string]string{
		"no value":    "Ip: InHdrErrors\nIp: x\n",
		"no counter":  strings.Replace(snmp, "InHdrErrors", "InErrors", 1),
		"no protocol": strings.ReplaceAll(snmp, "Udp:", "UDP:"),
		"nothing":     "",
	} {
		if got, err := parseKernelCounts(strings.NewReader(bad)); err == nil {
			t.Errorf("%s: %+v and no error", name, got)
		}
	}
}
