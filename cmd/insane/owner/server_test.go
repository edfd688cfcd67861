package owner

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// serve makes borea accept connections to an address, on a socket that is bound to a link; ""
// to none. It returns where.
func serve(t *testing.T, b *testbed.Bed, link string, at netip.Addr) netip.AddrPort {
	t.Helper()
	var server net.Listener
	err := b.Borea.Do(func() (err error) {
		listen := net.ListenConfig{Control: bindTo(link)}
		server, err = listen.Listen(t.Context(), "tcp", netip.AddrPortFrom(at, 0).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server.Addr().(*net.TCPAddr).AddrPort()
}

// TestOwnerServers: a server hears a host that is routed through insane if it is bound to no
// link, or to the one that the receive mode leads to: insane with auto, the slave with none.
func TestOwnerServers(t *testing.T) {
	b := newOwners(t)
	for _, family := range families {
		addRoute(t, b, testbed.Device, slaveAddrs[family], routedHost[family].String())
	}
	b.AwaitState(t, func(i api.Info) bool { return len(i.Takes.From) == 4 })
	for _, tt := range []struct{ mode, hears, deaf string }{
		{api.ReceiveAuto, testbed.Device, lab.Link},
		{api.ReceiveNone, lab.Link, testbed.Device},
	} {
		receive(t, b, tt.mode)
		for _, family := range families {
			for _, link := range []string{"", tt.hears, tt.deaf} {
				at := serve(t, b, link, slaveAddrs[family])
				d := net.Dialer{LocalAddr: &net.TCPAddr{IP: routedHost[family].AsSlice()}, Timeout: testbed.Longest}
				err := b.Morgana.Do(func() error {
					conn, err := d.Dial("tcp", at.String())
					if err == nil {
						conn.Close()
					}
					return err
				})
				if link == tt.deaf && !errors.Is(err, unix.ECONNREFUSED) || link != tt.deaf && err != nil {
					t.Errorf("IPv%d, receive %s: a server that is bound to %q: %v", family, tt.mode, link, err)
				}
			}
		}
	}
}
