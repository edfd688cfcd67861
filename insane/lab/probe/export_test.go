package probe

import "net"

// OpenReceiver opens the receiving socket of a probe as Run does.
func OpenReceiver(p Probe) (*net.UDPConn, error) {
	p, err := p.complete()
	if err != nil {
		return nil, err
	}
	r, err := p.receive()
	if err != nil {
		return nil, err
	}
	return r.conn, nil
}
