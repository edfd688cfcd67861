package owner

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// bindTo returns the control function that binds a socket of borea to a link; "" to none.
func bindTo(link string) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) (err error) {
		failed := c.Control(func(fd uintptr) {
			if link != "" {
				err = unix.BindToDevice(int(fd), link)
			}
		})
		return errors.Join(failed, err)
	}
}

// call connects a socket of borea that is bound to a link. port is its own port; 0 for any.
func call(t *testing.T, b *testbed.Bed, link, network string, to netip.AddrPort, port int) (conn net.Conn) {
	t.Helper()
	d := net.Dialer{Control: bindTo(link), Timeout: testbed.Longest}
	if port != 0 {
		d.LocalAddr = &net.UDPAddr{Port: port}
	}
	err := b.Borea.Do(func() (err error) { conn, err = d.Dial(network, to.String()); return err })
	if err != nil {
		t.Fatalf("%s from %q to %v: %v", network, link, to, err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(testbed.Longest))
	return conn
}

// echoPort is where echoes listens.
const echoPort = 7

// echoes makes morgana send back what arrives at an address, over UDP and TCP.
func echoes(t *testing.T, b *testbed.Bed, at netip.Addr) netip.AddrPort {
	t.Helper()
	listen := netip.AddrPortFrom(at, echoPort)
	var packets *net.UDPConn
	var streams net.Listener
	err := b.Morgana.Do(func() (err error) {
		if packets, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(listen)); err != nil {
			return err
		}
		t.Cleanup(func() { packets.Close() })
		streams, err = net.Listen("tcp", listen.String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { streams.Close() })
	go func() {
		for buffer := make([]byte, 1<<16); ; {
			n, from, err := packets.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			_, _ = packets.WriteToUDPAddrPort(buffer[:n], from)
		}
	}()
	go func() {
		for {
			conn, err := streams.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn); conn.Close() }()
		}
	}()
	return listen
}

// converse sends n bytes and waits until they come back.
func converse(t *testing.T, conn net.Conn, n int) {
	t.Helper()
	sent := strings.Repeat("x", n)
	if _, err := io.WriteString(conn, sent); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, n)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != sent {
		t.Errorf("%d bytes to %v: %v", n, conn.RemoteAddr(), err)
	}
}

// conversations has sockets that are bound to a link talk with a host: each kind of answer must
// reach them.
func conversations(t *testing.T, b *testbed.Bed, link string, at netip.AddrPort) {
	t.Helper()
	host := at.Addr()
	labtest.Run(t, b.Borea, "ping", "-n", "-q", "-c", "3", "-i", "0.01", "-W", "5", "-I", link, host.String())
	udp := call(t, b, link, "udp", at, 0)
	converse(t, udp, 10)
	converse(t, udp, 4000) // in fragments
	converse(t, call(t, b, link, "tcp", at, 0), 100_000)
	refused := call(t, b, link, "udp", netip.AddrPortFrom(host, 9), 0)
	_, _ = refused.Write([]byte("x"))
	if _, err := refused.Read(make([]byte, 9)); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("a closed port of %v: %v, want the ICMP error", host, err)
	}
	if err := tryCall(b, link, netip.AddrPortFrom(host, 9)); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("a closed TCP port of %v: %v", host, err)
	}
}

// tryCall returns the error of a TCP connection.
func tryCall(b *testbed.Bed, link string, to netip.AddrPort) error {
	d := net.Dialer{Control: bindTo(link), Timeout: testbed.Longest}
	return b.Borea.Do(func() error {
		conn, err := d.Dial("tcp", to.String())
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// eachPath runs a test with either data plane: what owns an answer must not depend on it.
func eachPath(t *testing.T, test func(t *testing.T, path string)) {
	for _, path := range []string{api.PathAuto, api.PathRelay} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			test(t, path)
		})
	}
}

// TestOwnerBoundToSlave: what a socket that is bound to the slave sends to a host that is
// routed through insane is answered at the slave, and meets no policy. What other sockets
// send is answered at insane, also from the same port later.
func TestOwnerBoundToSlave(t *testing.T) {
	testbed.RequireProgram(t, "ping")
	eachPath(t, func(t *testing.T, path string) {
		b := newOwners(t, "--path", path)
		for _, family := range families {
			addRoute(t, b, testbed.Device, slaveAddrs[family], routedHost[family].String())
		}
		b.AwaitState(t, func(i api.Info) bool { return len(i.Takes.From) == 4 })
		for _, family := range families {
			at := echoes(t, b, routedHost[family])
			own := call(t, b, lab.Link, "udp", at, 0)
			converse(t, own, 10)
			for _, mode := range []string{api.ReceiveAll, api.ReceiveNone, api.ReceiveAuto} {
				receive(t, b, mode)
			}
			labtest.Set(t, b.Daemon, api.Change{RX: new("percent 0")})
			conversations(t, b, lab.Link, at)
			converse(t, own, 10)
			_ = own.Close()
			lost := b.AwaitState(t, anyState).RX.Stats.Dropped[api.DropPolicy].Packets
			unbound := call(t, b, "", "udp", at, own.LocalAddr().(*net.UDPAddr).Port)
			b.AwaitState(t, func(i api.Info) bool {
				_, _ = unbound.Write([]byte("x")) // the neighbour's answer may be among the losses
				return i.RX.Stats.Dropped[api.DropPolicy].Packets > lost
			})
			labtest.Set(t, b.Daemon, api.Change{RX: new("pass")})
			converse(t, call(t, b, "", "udp", at, 0), 10)
		}
	})
}

// TestOwnerBoundToDevice: what a socket that is bound to insane sends to a host that is not
// routed through it is answered at insane.
func TestOwnerBoundToDevice(t *testing.T) {
	testbed.RequireProgram(t, "ping")
	eachPath(t, func(t *testing.T, path string) {
		l := labtest.New(t)
		b := &testbed.Bed{Lab: l, Daemon: labtest.StartDaemon(t, l, "--slave", lab.Link, "--path", path)}
		ip(t, b, "link", "set", testbed.Device, "up")
		ip(t, b, "-6", "route", "add", "default", "dev", testbed.Device, "src", slaveAddrs[6].String(), "table", "100")
		ip(t, b, "-6", "rule", "add", "oif", testbed.Device, "lookup", "100")
		awaitUsable(t, b)
		for _, family := range families {
			at := echoes(t, b, otherHost[family])
			relayed := func() uint64 { return b.AwaitState(t, anyState).RX.Stats.Relayed.Packets }
			before := relayed()
			conversations(t, b, testbed.Device, at)
			if now := relayed(); now < before+10 {
				t.Errorf("IPv%d: %d packets came in through insane", family, now-before)
			}
			before = relayed()
			conversations(t, b, lab.Link, at)
			if now := relayed(); now > before+9 { // some of neighbours
				t.Errorf("IPv%d: %d packets for the slave came in through insane", family, now-before)
			}
		}
	})
}

// TestOwnerErrors: what a router in between says of a packet that is too large reaches the
// socket that sent it, at the link through which it was sent. The router itself is not routed
// through insane.
func TestOwnerErrors(t *testing.T) {
	testbed.RequireProgram(t, "ping")
	b := newOwners(t)
	labtest.Run(t, b.Morgana, "ip", "link", "add", "narrow", "mtu", "1280", "type", "veth", "peer", "name", "end")
	behind := addrs("10.66.0.1", "fd00:66::1")
	router := map[int]string{4: otherHost[4].String() + " onlink", 6: "fe80::9:ff:fe00:2"} // see TestOwnerRoutesAHost
	for _, link := range []string{"narrow", "end"} {
		labtest.Run(t, b.Morgana, "ip", "link", "set", link, "up")
	}
	b.Sysctl(t, b.Morgana, "ipv4/ip_forward", "1")
	b.Sysctl(t, b.Morgana, "ipv6/conf/all/forwarding", "1")
	for _, family := range families {
		v, bits := fmt.Sprintf("-%d", family), fmt.Sprint(behind[family].BitLen())
		labtest.Run(t, b.Morgana, "ip", v, "route", "add", behind[family].String(), "dev", "narrow")
		addRoute(t, b, testbed.Device, slaveAddrs[family], behind[family].String()+"/"+bits+" via "+router[family])
		addRoute(t, b, lab.Link, slaveAddrs[family], behind[family].String()+"/"+bits+" via "+router[family]+" metric 9000")
		b.AwaitState(t, func(i api.Info) bool { return slices.Contains(i.Takes.From, behind[family].String()) })
		for _, link := range []string{lab.Link, ""} {
			args := []string{"-n", "-c", "1", "-W", "5", "-M", "do", "-s", "1300", behind[family].String()}
			mode := "pass"
			if link != "" {
				args, mode = append(args, "-I", link), "percent 0" // nothing of insane's comes in
			}
			labtest.Run(t, b.Borea, "ip", v, "route", "flush", "cache")
			before := labtest.Set(t, b.Daemon, api.Change{RX: &mode}).RX.Stats.Relayed.Packets
			if _, out := labtest.Fails(t, b.Borea, "ping", args...); !strings.Contains(out, "1280") {
				t.Errorf("IPv%d, bound to %q: ping is not told of the MTU: %s", family, link, out)
			}
			if now := b.AwaitState(t, anyState).RX.Stats.Relayed.Packets; link == "" && now == before {
				t.Errorf("IPv%d: the error did not come in through insane", family)
			}
		}
	}
}

// TestOwnerTwoDevices: each of two devices in front of one slave, and the slave, gets the
// answers to what was sent through it, although all is routed through one of them.
func TestOwnerTwoDevices(t *testing.T) {
	testbed.RequireProgram(t, "ping")
	eachPath(t, func(t *testing.T, path string) {
		l := labtest.New(t)
		b := &testbed.Bed{Lab: l, Daemon: labtest.StartDaemon(t, l, "--slave", lab.Link, "--path", path)}
		other := labtest.StartDaemon(t, l, "--name", "other", "--slave", lab.Link, "--path", path)
		for _, name := range []string{testbed.Device, "other"} {
			ip(t, b, "link", "set", name, "up")
		}
		addRoute(t, b, testbed.Device, slaveAddrs[4], routedHost[4].String())
		b.AwaitState(t, func(i api.Info) bool { return len(i.Takes.From) == 1 })
		at := echoes(t, b, routedHost[4])
		for _, link := range []string{testbed.Device, "other", lab.Link, "other", testbed.Device} {
			first, second := labtest.Info(t, b.Daemon).RX.Stats.Relayed.Packets, labtest.Info(t, other).RX.Stats.Relayed.Packets
			conversations(t, b, link, at)
			first, second = labtest.Info(t, b.Daemon).RX.Stats.Relayed.Packets-first, labtest.Info(t, other).RX.Stats.Relayed.Packets-second
			const few = 10 // neighbours are told to both
			if first >= few != (link == testbed.Device) || second >= few != (link == "other") {
				t.Errorf("bound to %s: %d packets came in through the first device, %d through the second", link, first, second)
			}
		}
	})
}
