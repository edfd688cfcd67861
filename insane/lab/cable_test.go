package lab

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
)

// A new lab's addresses can be sent from and received at. The kernel holds those
// of IPv6 back for a moment, which is the longer the busier it is, so several
// labs are made at a time.
func TestAddressesAreUsableAtOnce(t *testing.T) {
	NeedRoot(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 5 {
				if err := bindAll(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// bindAll binds to every address of a lab.
func bindAll() (err error) {
	l, err := New(Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	b, m := l.Borea, l.Morgana
	return errors.Join(
		b.Do(func() error { return bind(b.IPv4, b.IPv6) }),
		m.Do(func() error { return bind(m.IPv4, m.IPv6, m.SpareIPv4, m.SpareIPv6) }),
	)
}

// bind fails with EADDRNOTAVAIL where an address cannot be sent from.
func bind(addrs ...netip.Addr) error {
	for _, addr := range addrs {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		if err != nil {
			return err
		}
		conn.Close()
	}
	return nil
}
