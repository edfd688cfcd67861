package match

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// goodTexts are matches and their canonical texts.
var goodTexts = []struct{ text, want string }{
	{"any", "any"},
	{"ip", "ip"}, {"ip6", "ip6"}, {"arp", "arp"},
	{"tcp", "tcp"}, {"udp", "udp"}, {"sctp", "sctp"}, {"icmp", "icmp"}, {"icmp6", "icmp6"}, {"nd", "nd"},
	{"syn", "syn"}, {"fin", "fin"}, {"rst", "rst"}, {"ack", "ack"},
	{"proto 47", "proto 47"}, {"proto 0", "proto 0"}, {"proto 255", "proto 255"},
	{"proto 6", "tcp"}, {"proto 017", "udp"}, {"proto 132", "sctp"}, {"proto 1", "proto 1"},
	{"dscp 46", "dscp 46"}, {"dscp 0", "dscp 0"}, {"dscp 63", "dscp 63"},
	{"host 10.1.2.3", "host 10.1.2.3"}, {"src host 10.1.2.3", "src host 10.1.2.3"}, {"dst host fd00:0::1", "dst host fd00::1"},
	{"host 0.0.0.0", "host 0.0.0.0"}, {"host ::", "host ::"}, {"host ff02::FB", "host ff02::fb"},
	{"net 10.0.0.0/8", "net 10.0.0.0/8"}, {"src net fd00::/8", "src net fd00::/8"}, {"net 10.1.2.3/32", "host 10.1.2.3"},
	{"net 0.0.0.0/0", "net 0.0.0.0/0"}, {"dst net ::/0", "dst net ::/0"}, {"net fd00::1/128", "host fd00::1"}, {"net 128.0.0.0/1", "net 128.0.0.0/1"},
	{"port 0", "port 0"}, {"port 65535", "port 65535"}, {"dst port 053", "dst port 53"},
	{"portrange 6000-6100", "portrange 6000-6100"}, {"src portrange 0-65535", "src portrange 0-65535"}, {"portrange 80-80", "port 80"},
	{"vlan", "vlan"}, {"vlan 0", "vlan 0"}, {"vlan 4095", "vlan 4095"}, {"vlan ip", "ip vlan"}, {"vlan and ip", "ip vlan"}, {"vlan 7 vlan", "vlan vlan 7"},
	{"ether host 2:0:0:0:0:a", "ether host 02:00:00:00:00:0a"}, {"ether src host 02:AB:cd:00:ff:01", "ether src host 02:ab:cd:00:ff:01"},
	{"ether dst host ff:ff:ff:ff:ff:ff", "ether dst host ff:ff:ff:ff:ff:ff"},
	{"ether proto 0x88cc", "ether proto 0x88cc"}, {"ether proto 35020", "ether proto 0x88cc"}, {"ether proto 0x0800", "ip"},
	{"ether proto 0x806", "arp"}, {"ether proto 34525", "ip6"}, {"ether proto 0x600", "ether proto 0x0600"},
	{"greater 1400", "greater 1400"}, {"less 100", "less 100"}, {"greater 0", "greater 0"}, {"less 1000000", "less 1000000"},
	{"less 100 greater 60", "greater 60 less 100"}, {"greater 60 less 60", "greater 60 less 60"},
	{"tcp host 10.1.2.3 port 443", "tcp host 10.1.2.3 port 443"},
	{"port 443 and host 10.1.2.3 and tcp", "tcp host 10.1.2.3 port 443"},
	{"tcp tcp and tcp", "tcp"}, {"ack less 100", "ack less 100"}, {"ack syn tcp", "tcp syn ack"},
	{"host 10.0.0.2 host 10.0.0.1", "host 10.0.0.1 host 10.0.0.2"},
	{"dst host 10.0.0.2 src host 10.0.0.1", "src host 10.0.0.1 dst host 10.0.0.2"},
	{"src net 10.0.0.0/8 src host 10.0.0.1", "src net 10.0.0.0/8 src host 10.0.0.1"},
	{"port 53 portrange 50-60", "portrange 50-60 port 53"}, {"portrange 1-9 portrange 9-20", "portrange 1-9 portrange 9-20"},
	{"arp host 10.0.0.1", "arp host 10.0.0.1"}, {"icmp6 host fe80::1", "icmp6 host fe80::1"}, {"nd icmp6", "icmp6 nd"},
	{"udp dscp 46 vlan 5 portrange 16384-32767 greater 200", "vlan 5 udp dscp 46 portrange 16384-32767 greater 200"},
	{"ether src host 02:00:00:00:00:01 ether dst host 02:00:00:00:00:02", "ether src host 02:00:00:00:00:01 ether dst host 02:00:00:00:00:02"},
}

// A text is read, and printed in its canonical form, which reads as the same match.
func TestParse(t *testing.T) {
	for _, test := range goodTexts {
		m, err := Parse(strings.Fields(test.text))
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if got := m.String(); got != test.want {
			t.Errorf("%s: %q, want %q", test.text, got, test.want)
		}
		again, err := Parse(strings.Fields(m.String()))
		if err != nil || again.String() != m.String() {
			t.Errorf("%s: %q reads as %q, %v", test.text, m, again, err)
		}
	}
}

// badTexts are refused: the field and the value that the error names, and a part of why.
var badTexts = []struct{ text, field, value, why string }{
	{"", "match", "", "is empty; want any, ip"},
	{"any tcp", "match", "any", "stands alone"}, {"tcp any", "match", "any", "stands alone"}, {"any any", "match", "any", "stands alone"},
	{"tpc", "match", "tpc", "is no part of a match; want any, ip, ip6, arp, tcp"},
	{"10.1.2.3", "match", "10.1.2.3", "is no part"}, {"tcp 443", "match", "443", "is no part"}, {"TCP", "match", "TCP", "is no part"},
	{"https", "match", "https", "is no part"}, {"tcp or udp", "match", "or", "a rule of its own"},
	{"not tcp", "match", "not", "a rule of its own"}, {"! tcp", "match", "!", "a rule of its own"}, {"(tcp)", "match", "(tcp)", "is no part"},
	{"and", "match", "and", "one is missing"}, {"and tcp", "match", "and", "one is missing"},
	{"tcp and", "match", "and", "one is missing"}, {"tcp and and udp", "match", "and", "one is missing"},
	{"src", "match", "src", "want host, net, port or portrange behind src"}, {"tcp dst", "match", "dst", "behind dst"},
	{"src 10.1.2.3", "match", "src 10.1.2.3", "want host, net"}, {"src tcp", "match", "src tcp", "want host, net"},
	{"src dst host 10.1.2.3", "match", "src dst", "want host, net"}, {"dst vlan 5", "match", "dst vlan", "want host, net"},
	{"ether", "match", "ether", "want ether [src|dst] host M or ether proto N"}, {"ether 02:00:00:00:00:01", "match", "ether 02:00:00:00:00:01", "want ether"},
	{"ether src", "match", "ether src", "want ether src host M"}, {"ether src 02:00:00:00:00:01", "match", "ether src 02:00:00:00:00:01", "want ether src host M"},
	{"ether src proto 0x800", "match", "ether src proto", "want ether src host M"}, {"src ether host 02:00:00:00:00:01", "match", "src ether", "want host"},
	{"ether port 5", "match", "ether port", "want ether"}, {"ether dst port 5", "match", "ether dst port", "want ether dst host"},
	{"host", "match", "host", "incomplete; want [src|dst] host A"}, {"src net", "match", "src net", "want [src|dst] net P"},
	{"port", "match", "port", "want [src|dst] port N"}, {"tcp portrange", "match", "portrange", "want [src|dst] portrange N-M"},
	{"proto", "match", "proto", "want proto N"}, {"ether host", "match", "ether host", "want ether [src|dst] host M"},
	{"ether proto", "match", "ether proto", "want ether proto N"}, {"dscp", "match", "dscp", "want dscp N"}, {"less", "match", "less", "want less N"},
	{"host 10.1.2", "host", "10.1.2", "such as 10.9.0.2"}, {"host morgana", "host", "morgana", "such as"}, {"host 10.1.2.3/32", "host", "10.1.2.3/32", "such as"},
	{"src host 010.1.2.3", "src host", "010.1.2.3", "such as"}, {"host 10.1.2.256", "host", "10.1.2.256", "such as"}, {"host and", "host", "and", "such as"},
	{"host fe80::1%eth0", "host", "fe80::1%eth0", "zone"}, {"host ::ffff:10.1.2.3", "host", "::ffff:10.1.2.3", "as an IPv4 address"},
	{"net 10.0.0.0", "net", "10.0.0.0", "must be an IPv4 or IPv6 prefix"}, {"net 10.0.0.0/33", "net", "10.0.0.0/33", "prefix"},
	{"dst net 10.1.2.3/8", "dst net", "10.1.2.3/8", "want 10.0.0.0/8"}, {"net fd00::1/64", "net", "fd00::1/64", "want fd00::/64"},
	{"net ::ffff:10.0.0.0/104", "net", "::ffff:10.0.0.0/104", "as an IPv4 address"}, {"net 10.0.0.0/8 host fd00::1", "match", "host fd00::1", `"net 10.0.0.0/8"`},
	{"port 65536", "port", "65536", "from 0 to 65535"}, {"port -1", "port", "-1", "from 0 to 65535"}, {"port http", "port", "http", "whole number"},
	{"src port 80.0", "src port", "80.0", "whole number"}, {"port 0x50", "port", "0x50", "whole number"}, {"port 80-90", "port", "80-90", "whole number"},
	{"portrange 9-3", "portrange", "9-3", "the smaller one first"}, {"portrange 9", "portrange", "9", "two ports"}, {"portrange 9-", "portrange", "9-", "two ports"},
	{"dst portrange -9", "dst portrange", "-9", "two ports"}, {"portrange 1-65536", "portrange", "1-65536", "two ports"}, {"portrange 1-2-3", "portrange", "1-2-3", "two ports"},
	{"proto 256", "proto", "256", "from 0 to 255"}, {"proto gre", "proto", "gre", "whole number"}, {"dscp 64", "dscp", "64", "from 0 to 63"}, {"dscp ef", "dscp", "ef", "whole number"},
	{"vlan 4096", "vlan", "4096", "from 0 to 4095"}, {"vlan x", "match", "x", "is no part"}, {"greater 1000001", "greater", "1000001", "to 1000000"},
	{"less 1kB", "less", "1kB", "whole number"}, {"greater -5", "greater", "-5", "whole number"},
	{"ether host 02:00:00:00:00", "ether host", "02:00:00:00:00", "Ethernet address"}, {"ether dst host 02:00:00:00:00:001", "ether dst host", "02:00:00:00:00:001", "Ethernet address"},
	{"ether host 02-00-00-00-00-01", "ether host", "02-00-00-00-00-01", "Ethernet address"}, {"ether host 02:00:00:00:00:0g", "ether host", "02:00:00:00:00:0g", "Ethernet address"},
	{"ether host 02:00:00:00:00:01:02:03", "ether host", "02:00:00:00:00:01:02:03", "Ethernet address"}, {"ether host :::::", "ether host", ":::::", "Ethernet address"},
	{"ether proto 0x5ff", "ether proto", "0x5ff", "from 0x600"}, {"ether proto 65536", "ether proto", "65536", "from 0x600"}, {"ether proto ip", "ether proto", "ip", "from 0x600"},
	{"ether proto 0x", "ether proto", "0x", "from 0x600"}, {"ether proto 88cc", "ether proto", "88cc", "from 0x600"},
	// Parts that no packet fits together.
	{"tcp udp", "match", "udp", `no packet fits it and "tcp"`}, {"proto 47 sctp", "match", "sctp", "no packet"}, {"ip ip6", "match", "ip6", "no packet"},
	{"ip and tcp and host fd00::1", "match", "host fd00::1", `"ip tcp"`}, {"ip6 dst host 10.1.2.3", "match", "dst host 10.1.2.3", "no packet"},
	{"arp tcp", "match", "tcp", "no packet"}, {"arp port 5", "match", "port 5", "no packet"}, {"arp host fd00::1", "match", "host fd00::1", "no packet"}, {"arp dscp 5", "match", "dscp 5", "no packet"},
	{"icmp port 5", "match", "port 5", "no packet"}, {"proto 33 dst port 5", "match", "dst port 5", "no packet"}, {"icmp icmp6", "match", "icmp6", "no packet"},
	{"ip6 icmp", "match", "icmp", "no packet"}, {"icmp6 host 10.1.2.3", "match", "host 10.1.2.3", "no packet"}, {"syn udp", "match", "udp", `"syn"`},
	{"icmp nd", "match", "nd", "no packet"}, {"ether proto 0x88cc host 10.1.2.3", "match", "host 10.1.2.3", "no packet"}, {"ether proto 0x8847 tcp", "match", "tcp", "no packet"},
	{"vlan 5 vlan 6", "match", "vlan 6", "no packet"}, {"dscp 5 dscp 6", "match", "dscp 6", "no packet"}, {"src port 5 src port 6", "match", "src port 6", "no packet"},
	{"port 1 port 2 port 3", "match", "port 3", "no packet"}, {"host 10.0.0.1 host 10.0.0.2 host 10.0.0.3", "match", "host 10.0.0.3", "no packet"},
	{"src host 10.0.0.1 src net 10.1.0.0/16", "match", "src net 10.1.0.0/16", "no packet"}, {"src host 10.0.0.1 dst host fd00::1", "match", "dst host fd00::1", "no packet"},
	{"src port 5 src portrange 6-9", "match", "src portrange 6-9", "no packet"}, {"dst portrange 6-9 dst port 10", "match", "dst port 10", "no packet"},
	{"src portrange 1-5 src portrange 6-9", "match", "src portrange 6-9", "no packet"}, {"greater 100 less 99", "match", "less 99", "no packet"},
	{"ether src host 02:00:00:00:00:01 ether src host 02:00:00:00:00:02", "match", "ether src host 02:00:00:00:00:02", "no packet"},
	{"host 10.0.0.1 net 10.0.0.0/8 net 10.0.0.0/16 net 10.0.0.0/24 net 10.0.0.0/25", "match", "net 10.0.0.0/25", "more than 4 parts without src or dst"},
}

// A bad text is refused with the field and the value, in one line.
func TestParseRefuses(t *testing.T) {
	for _, test := range badTexts {
		m, err := Parse(strings.Fields(test.text))
		var field *FieldError
		if !errors.As(err, &field) || m.String() != "any" {
			t.Errorf("%q: %v, %v", test.text, m, err)
			continue
		}
		if field.Field != test.field || field.Value != test.value || !strings.Contains(field.Why, test.why) {
			t.Errorf("%q: field %q, value %q, %q; want %q, %q, %q", test.text, field.Field, field.Value, field.Why, test.field, test.value, test.why)
		}
		if want := test.field + " " + strconv.Quote(test.value) + ": "; len(test.value) < 64 && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q says %q", test.text, err)
		}
	}
}

// FuzzMatch reads any text. What is accepted prints as a text that reads as the same match and
// can be looked up; what is refused is refused in one printable line.
func FuzzMatch(f *testing.F) {
	for _, c := range goodTexts {
		f.Add(c.text)
	}
	for _, c := range badTexts {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Parse(strings.Fields(text))
		if err != nil {
			msg := err.Error()
			if i := strings.IndexFunc(msg, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 || len(msg) > 512 {
				t.Errorf("refused with %q", msg)
			}
			return
		}
		again, err := Parse(strings.Fields(m.String()))
		if err != nil || again.String() != m.String() || len(again.patterns()) != len(m.patterns()) {
			t.Errorf("%q reads as %q, %v", m, again, err)
		}
		if n := len(m.patterns()); n < 1 || n > 1<<maxBothSides {
			t.Errorf("%q has %d patterns", m, n)
		}
		NewTable([]Match{m}).Lookup(&Key{}, 60)
	})
}

// Each word has a form, and each form is written as it says.
func TestForms(t *testing.T) {
	examples := map[string]string{"A": "10.1.2.3", "P": "10.0.0.0/8", "N": "2000", "N-M": "5-6", "M": "02:00:00:00:00:01", "[N]": "7"}
	for _, form := range Forms() {
		var words []string
		for _, word := range strings.Fields(strings.TrimPrefix(form.Usage, "[src|dst] ")) {
			if example, ok := examples[word]; ok {
				word = example
			}
			if word != "[src|dst]" {
				words = append(words, word)
			}
		}
		if form.Name == "proto" || form.Name == "dscp" {
			words[1] = "5"
		}
		m, err := Parse(words)
		if err != nil || m.String() != strings.ReplaceAll(strings.Join(words, " "), "proto 2000", "proto 0x07d0") {
			t.Errorf("%+v: %q, %v", form, m, err)
		}
		if first := strings.Fields(form.Name)[0]; !strings.Contains(Grammar(), first) {
			t.Errorf("%q is no word of %s", first, Grammar())
		}
		if form.Summary == "" || strings.ContainsAny(form.Summary, "\n|") {
			t.Errorf("%+v", form)
		}
	}
}
