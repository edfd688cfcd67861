package match

import (
	"slices"
	"strings"
)

// Form is one kind of words in a match, for help pages.
type Form struct {
	Name    string // the words that begin it, without src and dst: "host", "ether proto"
	Usage   string // how it is written: "[src|dst] host A"
	Summary string // which packets fit it, a phrase without a full stop
}

// form is a Form and how it is read.
type form struct {
	Form
	fixed bool                          // it has no arguments, and is the term
	term  term                          // if fixed
	sided bool                          // src or dst may stand in front of it, behind ether
	read  func(r *reader) (term, error) // if not fixed: reads the arguments
}

// forms lists all forms but that of any, in the order of help pages.
var forms = []form{
	fixed("ip", "IPv4", term{kind: kindEtherType, low: etherIPv4}),
	fixed("ip6", "IPv6", term{kind: kindEtherType, low: etherIPv6}),
	fixed("arp", "ARP", term{kind: kindEtherType, low: etherARP}),
	fixed("tcp", "TCP, in IPv4 or IPv6", term{kind: kindProtocol, low: protocolTCP}),
	fixed("udp", "UDP", term{kind: kindProtocol, low: protocolUDP}),
	fixed("sctp", "SCTP", term{kind: kindProtocol, low: protocolSCTP}),
	fixed("icmp", "ICMP, of IPv4", term{kind: kindICMP}),
	fixed("icmp6", "ICMP of IPv6", term{kind: kindICMP6}),
	fixed("nd", "neighbour discovery of IPv6: ICMPv6 of the types 133 to 137", term{kind: kindND}),
	fixed("syn", "TCP with the flag SYN", term{kind: kindFlag, low: uint32(SYN)}),
	fixed("fin", "TCP with the flag FIN", term{kind: kindFlag, low: uint32(FIN)}),
	fixed("rst", "TCP with the flag RST", term{kind: kindFlag, low: uint32(RST)}),
	fixed("ack", "TCP with the flag ACK", term{kind: kindFlag, low: uint32(ACK)}),
	sided("host", "A", "packets from or to this IPv4 or IPv6 address; with src only from it, with dst only to it", readHost),
	sided("net", "P", "packets from or to an address of this prefix, such as 10.9.0.0/16", readNet),
	sided("port", "N", "TCP, UDP or SCTP from or to this port", readPort),
	sided("portrange", "N-M", "TCP, UDP or SCTP from or to a port from N to M", readPortRange),
	other("proto N", "packets of this IP protocol, from 0 to 255", readProtocol),
	other("dscp N", "IP packets with this DSCP, from 0 to 63", readDSCP),
	other("greater N", "packets of N bytes or more", readGreater),
	other("less N", "packets of N bytes or less", readLess),
	other("vlan [N]", "packets with a VLAN tag, or with this identifier in the outer one", readVLAN),
	sided("ether host", "M", "frames from or to this Ethernet address", readMAC),
	other("ether proto N", "frames of this Ethernet type, such as 0x88cc", readEtherType),
}

func fixed(name, summary string, t term) form {
	return form{Form: Form{name, name, summary}, fixed: true, term: t}
}

func sided(name, argument, summary string, read func(r *reader) (term, error)) form {
	usage := sides + " " + name + " " + argument
	if ether, last, ok := strings.Cut(name, " "); ok {
		usage = ether + " " + sides + " " + last + " " + argument
	}
	return form{Form: Form{name, usage, summary}, sided: true, read: read}
}

func other(usage, summary string, read func(r *reader) (term, error)) form {
	name := usage[:strings.LastIndexByte(usage, ' ')]
	return form{Form: Form{name, usage, summary}, read: read}
}

// sides is the part of a usage that says that src or dst may be there.
const sides = "[src|dst]"

// Forms lists all forms: any, and then the others in the order of help pages.
func Forms() []Form {
	list := []Form{{wordAny, wordAny, "every packet; it stands alone"}}
	for _, f := range forms {
		list = append(list, f.Form)
	}
	return list
}

// Grammar lists the words that begin a form, for error messages: "any, ip, … or ether".
func Grammar() string {
	var names []string
	for _, f := range Forms() {
		if first, _, _ := strings.Cut(f.Name, " "); !slices.Contains(names, first) {
			names = append(names, first)
		}
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// formOf finds a form by its name.
func formOf(name string) (form, bool) {
	i := slices.IndexFunc(forms, func(f form) bool { return f.Name == name })
	if i < 0 {
		return form{}, false
	}
	return forms[i], true
}
