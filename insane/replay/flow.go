package replay

import (
	"bytes"
	"cmp"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy/match"
)

// Flow is what connections of one kind have in common. IPv4 addresses are in the first 4 bytes.
type Flow struct {
	Client, Server [16]byte
	EtherType      uint16
	VLAN           uint16 // as in match.Key
	Port           uint16 // of the server; 0: there are no ports
	Protocol       uint8
}

// role is what a packet alone tells of who sent it.
type role uint8

const (
	either  role = iota
	asks         // the client: a SYN, an echo request
	answers      // the server: a SYN with ACK, an echo reply
)

// Identity is what is looked up of a packet.
type Identity struct {
	source, destination         [16]byte
	sourcePort, destinationPort uint16
	etherType, vlan             uint16
	protocol                    uint8
	role                        role
	opens                       bool // it is a SYN
}

// Protocols with a role of their own.
const (
	protocolICMP   = 1
	protocolTCP    = 6
	protocolICMPv6 = 58
)

// Identify returns the identity of the packets of a frame, which may have any bytes.
func Identify(f frame.Frame) Identity {
	k := frame.Key(f)
	id := Identity{
		source: k.Source, destination: k.Destination, sourcePort: k.SourcePort, destinationPort: k.DestinationPort,
		etherType: k.EtherType, vlan: k.VLAN, protocol: k.Protocol,
	}
	switch {
	case k.Protocol == protocolTCP && k.Has&match.HasPorts != 0:
		switch k.Flags & (match.SYN | match.ACK) {
		case match.SYN:
			id.role, id.opens = asks, true
		case match.SYN | match.ACK:
			id.role = answers
		}
	case k.Protocol == protocolICMP || k.Protocol == protocolICMPv6:
		id.message(f)
	}
	return id
}

// message sets what a message of ICMP has instead of ports.
func (id *Identity) message(f frame.Frame) {
	kind, echo, ok := frame.ICMP(f)
	switch v6 := id.protocol == protocolICMPv6; {
	case !ok:
	case !v6 && kind == frame.EchoRequest, v6 && kind == frame.EchoRequestV6:
		id.role, id.sourcePort, id.destinationPort = asks, echo, uint16(kind)
	case !v6 && kind == frame.EchoReply:
		id.role, id.sourcePort, id.destinationPort = answers, frame.EchoRequest, echo
	case v6 && kind == frame.EchoReplyV6:
		id.role, id.sourcePort, id.destinationPort = answers, frame.EchoRequestV6, echo
	default:
		id.sourcePort, id.destinationPort = uint16(kind), uint16(kind)
	}
}

// ofClient returns the flow of a packet that the client has sent, and the client's port.
func (id *Identity) ofClient() (Flow, uint16) {
	return Flow{
		Client: id.source, Server: id.destination, EtherType: id.etherType, VLAN: id.vlan, Port: id.destinationPort, Protocol: id.protocol,
	}, id.sourcePort
}

// ofServer returns the flow of a packet that the server has sent, and the client's port.
func (id *Identity) ofServer() (Flow, uint16) {
	return Flow{
		Client: id.destination, Server: id.source, EtherType: id.etherType, VLAN: id.vlan, Port: id.sourcePort, Protocol: id.protocol,
	}, id.destinationPort
}

// reversed reports whether source and destination stand in the other order in ends.
func (id *Identity) reversed() bool {
	return cmp.Or(bytes.Compare(id.source[:], id.destination[:]), cmp.Compare(id.sourcePort, id.destinationPort)) > 0
}

// ends identifies a connection of which nobody knows yet who is the client.
type ends struct {
	flow Flow   // as if the lower end were the client
	port uint16 // of the lower end
}

// ends returns the connection of a packet.
func (id *Identity) ends() (e ends) {
	if id.reversed() {
		e.flow, e.port = id.ofServer()
	} else {
		e.flow, e.port = id.ofClient()
	}
	return e
}

// turned returns the flow and the client's port if the upper end is the client.
func (e ends) turned() (Flow, uint16) {
	f := e.flow
	f.Client, f.Server, f.Port = e.flow.Server, e.flow.Client, e.port
	return f, e.flow.Port
}
