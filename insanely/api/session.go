package api

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// SessionVariable is the variable of the environment that tells of an ssh session (ssh(1)).
const SessionVariable = "SSH_CONNECTION"

// Session is the TCP connection of an ssh session to this host.
type Session struct{ Client, Server netip.AddrPort }

// ParseSession reads address and port of the client, and address and port of the server, as
// SessionVariable has them.
func ParseSession(text string) (s Session, err error) {
	words := strings.Fields(text)
	if len(words) != 4 {
		return Session{}, errors.New("want address and port of the client, and address and port of the server")
	}
	for i, end := range []*netip.AddrPort{&s.Client, &s.Server} {
		addr, err := netip.ParseAddr(words[2*i])
		if err != nil {
			return Session{}, fmt.Errorf("%s is no address", strconv.Quote(words[2*i]))
		}
		port, err := strconv.ParseUint(words[2*i+1], 10, 16)
		if err != nil {
			return Session{}, fmt.Errorf("%s is no port", strconv.Quote(words[2*i+1]))
		}
		*end = netip.AddrPortFrom(addr.Unmap().WithZone(""), uint16(port))
	}
	if s.Client.Addr().Is4() != s.Server.Addr().Is4() {
		return Session{}, errors.New("the addresses are of two families")
	}
	return s, nil
}
