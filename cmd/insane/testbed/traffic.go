package testbed

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// PlugSecond gives borea another cable, from eth1 to eth2, which both belong to borea.
func PlugSecond(t *testing.T, l *lab.Lab) {
	t.Helper()
	labtest.Run(t, l.Borea, "ip", "link", "add", "eth1", "up", "type", "veth", "peer", "name", "eth2")
	labtest.Run(t, l.Borea, "ip", "link", "set", "eth2", "up")
	labtest.Await(t, "carrier of eth1", func() bool { return labtest.LinkOf(t, l.Borea, "eth1").Attrs().OperState == netlink.OperUp })
}

// Flood sends some thousand packets a second to both addresses of morgana until stop is
// called, whether or not a device is in the way.
func Flood(t *testing.T, l *lab.Lab) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var senders sync.WaitGroup
	for _, to := range []string{"10.9.0.2", "fd00:9::2"} {
		var conn net.PacketConn
		err := l.Borea.Do(func() (err error) {
			conn, err = net.ListenPacket("udp", ":0")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		senders.Go(func() {
			defer conn.Close()
			address := &net.UDPAddr{IP: net.ParseIP(to), Port: 9} // discard, RFC 863
			for ctx.Err() == nil {
				for range 8 {
					_, _ = conn.WriteTo(make([]byte, 200), address) // a missing route for a moment is no error
				}
				time.Sleep(4 * time.Millisecond)
			}
		})
	}
	return sync.OnceFunc(func() {
		cancel()
		senders.Wait()
	})
}
