// Package match finds the rule that a packet belongs to. A [Match] is the checked form of a
// text such as "tcp host 10.1.2.3 port 443"; a [Key] has the header fields of a packet; a
// [Table] finds the first match of a list that a key fits. It does no I/O, and a look-up
// allocates nothing.
//
// # Files
//
//	match.go    Match: text to Match and back
//	form.go     all words of a match, for reading and for help
//	read.go     how words are read
//	value.go    the arguments of words
//	term.go     one word with its arguments: what it asks of a packet, how it is printed
//	pattern.go  one way in which a packet can fit: mask, value and ranges
//	key.go      Key: the header fields of a packet
//	table.go    Table: the first match that a packet fits
//	index.go    Index: a Table of a list that changes
//	layer.go    the parts of an Index, for a data plane that looks up by itself
//	error.go    FieldError, which refuses a text
//
// # Grammar
//
// A match is a list of parts, all of which must fit; "and" may stand between two. The words
// are those of tcpdump where it has them:
//
//	any                          every packet; it stands alone
//	ip, ip6, arp                 by the Ethernet type
//	tcp, udp, sctp               by the protocol, in IPv4 or IPv6
//	icmp, icmp6                  ICMP of IPv4, and of IPv6
//	proto N                      any other protocol
//	nd                           neighbour discovery: ICMPv6 133 to 137
//	syn, fin, rst, ack           TCP with this flag, whatever others there are
//	dscp N                       the upper six bits of the traffic class
//	[src|dst] host A             an address
//	[src|dst] net P              a prefix; bits behind it must be zero
//	[src|dst] port N             a port of TCP, UDP or SCTP
//	[src|dst] portrange N-M      both ends belong to the range
//	greater N, less N            length in bytes, N or more, N or less
//	vlan [N]                     a VLAN tag; with N, this identifier in the outer one
//	ether [src|dst] host M       an Ethernet address
//	ether proto N                an Ethernet type
//
// Without src and dst, a part fits a packet if one of its sides does, so one match is for both
// directions of a conversation. Each part looks by itself, as in tcpdump: "host A port 80"
// fits a packet from A to port 80 and one from port 80 to A, and also one from port 80 of A.
// At most four parts of a match look at both sides.
//
// Ports, protocols and Ethernet types are numbers. There are no names of services or hosts: the
// same text must mean the same on every machine. There is no "or" and no "not": the first rule
// that fits judges a packet, so alternatives and exceptions are rules of their own.
//
// A match that no packet can fit, such as "tcp udp", is refused.
//
// # Meaning
//
// The same is true for every way of a packet through the device:
//
//   - Headers are the outermost ones. Of a tunnel, they are those of the packet that carries it.
//   - Up to two VLAN tags (802.1Q, 802.1ad) are skipped: unlike in tcpdump, "ip" fits a packet
//     with a tag, and "vlan" changes nothing for other parts. With a third tag the Ethernet
//     type is that of a tag.
//   - Extension headers of IPv6 are skipped to find the protocol: hop-by-hop options, routing,
//     destination options, and fragment; eight at most. Others are protocols: "proto 51".
//   - host and net look at IPv4 and IPv6 packets, and at ARP for IPv4, where they look at the
//     addresses of sender and target. "ip host A" leaves ARP out.
//   - A fragment behind the first one has no ports, flags and type of ICMP: "port 53" and "nd"
//     do not fit it; "udp", "host" and "dscp" do. The protocol of such a fragment of IPv6 is
//     the one that the fragment header tells.
//   - Where a header is cut short or malformed, it and all that is behind it have no fields.
//     Length fields and checksums are not verified. Of TCP, ports and flags are there as far
//     as the bytes go.
//   - The length is that of the Ethernet frame with its tags, without preamble and checksum
//     (FCS), and of each packet of a super-frame by itself. A frame to be sent has no padding
//     yet, so an ACK may be shorter than 60 bytes.
//   - The packets of a super-frame have the headers that they have on the wire. So the last
//     one may be shorter, and FIN is a flag of the last one only; to a match, the others
//     are alike.
//
// # Search
//
// A part that looks at both sides makes two patterns of a match. A pattern is a mask over
// the key, a value under the mask, and ranges. NewTable groups patterns by mask; a look-up
// costs one hash for each different mask of the whole list, however many rules there are.
// Open vSwitch describes the same search in lib/classifier.h.
//
// The packets of a super-frame need one look-up or two: one with the key and the length of the
// first packet, and one with those of the last, unless both are the same.
//
// A list has at most [MaxRules] matches. Any number of masks is allowed, but each one costs
// time: prefixes of many lengths make many masks.
//
// # Adding a word
//
// A word is a row of the list in form.go, which help, error messages and README.md are made of,
// and a kind in term.go: its pattern, and how it is printed. Its arguments are read in value.go.
// If it looks at a field that [Key] has not, the field is new there, in package frame, and
// wherever else keys are made. The tests want its texts, and its meaning in oracle_test.go.
package match
