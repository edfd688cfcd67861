package host

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// broadcast returns the link-layer broadcast address of a link.
func (l *Links) broadcast(index int) (net.HardwareAddr, error) {
	return l.attribute(index, unix.IFLA_BROADCAST)
}

// attribute returns the value of a link's attribute (uapi/linux/if_link.h, IFLA_…), for
// attributes that the netlink library does not parse. It returns nil if the link does not
// have the attribute.
func (l *Links) attribute(index int, kind uint16) ([]byte, error) {
	req := l.request(unix.RTM_GETLINK, 0, index)
	msgs, err := req.Execute(unix.NETLINK_ROUTE, 0)
	if err != nil {
		return nil, fmt.Errorf("look up link index %d: %w", index, err)
	}
	for _, m := range msgs {
		attrs, err := nl.ParseRouteAttr(m[unix.SizeofIfInfomsg:])
		if err != nil {
			return nil, fmt.Errorf("parse link index %d: %w", index, err)
		}
		for _, a := range attrs {
			if a.Attr.Type == kind {
				return a.Value, nil
			}
		}
	}
	return nil, nil
}

// setBroadcast sets the link-layer broadcast address of a link.
func (l *Links) setBroadcast(index int, addr net.HardwareAddr) error {
	req := l.request(unix.RTM_SETLINK, unix.NLM_F_ACK, index)
	req.AddData(nl.NewRtAttr(unix.IFLA_BROADCAST, addr))
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// request makes a netlink request about a link. kind is RTM_…, flags are NLM_F_….
func (l *Links) request(kind, flags, index int) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(kind, flags)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: l.raw}
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	req.AddData(msg)
	return req
}
