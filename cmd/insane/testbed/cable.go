package testbed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Furnished are the arguments of a device that uses everything that a device could leave
// behind.
var Furnished = []string{
	"--slave", "eth0", "--policy", "percent 60", "--seed", "1",
	"--address", "10.9.0.3/32", "--address", "fd00:9::3/128",
	"--route", "10.9.0.2", "--route", "fd00:9::2",
}

// Move moves a link into another namespace and renames it at the same time.
func Move(t testing.TB, h *lab.Host, name string, namespace *os.File, as string) {
	t.Helper()
	path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), namespace.Fd())
	labtest.Run(t, h, "ip", "link", "set", "dev", name, "netns", path, "name", as)
}

// SecondSubnet gives morgana an address in a subnet in which borea has none.
func SecondSubnet(t testing.TB, l *lab.Lab) {
	t.Helper()
	labtest.Run(t, l.Morgana, "ip", "address", "add", "10.8.0.2/24", "dev", lab.Link)
}

// Gone waits until the device has noticed that its slave is gone.
func Gone(t testing.TB, l *lab.Lab, d *lab.Daemon) {
	t.Helper()
	labtest.Await(t, "the slave to be gone", func() bool { return labtest.Info(t, d).SlaveState == api.SlaveGone })
	AwaitCarrier(t, l, false)
}

// Pause stops the daemon while what runs, so that the daemon sees only the result.
func Pause(t testing.TB, d *lab.Daemon, what func()) {
	t.Helper()
	if err := syscall.Kill(d.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(d.PID(), syscall.SIGCONT)
	what()
}

// MACOf returns the MAC address of a link of borea.
func MACOf(t testing.TB, l *lab.Lab, name string) string {
	t.Helper()
	return labtest.LinkOf(t, l.Borea, name).Attrs().HardwareAddr.String()
}

// AwaitMTU waits until both the kernel and the daemon report the MTU.
func AwaitMTU(t testing.TB, l *lab.Lab, d *lab.Daemon, want int) {
	t.Helper()
	labtest.Await(t, fmt.Sprintf("MTU %d", want), func() bool {
		return labtest.LinkOf(t, l.Borea, "insane").Attrs().MTU == want && labtest.Info(t, d).MTU == want
	})
}

// RenameSlave renames the slave and waits until the device, its alias and the list of links
// show the new name.
func RenameSlave(t *testing.T, l *lab.Lab, d *lab.Daemon, from, to string) {
	t.Helper()
	if err := l.Borea.Netlink().LinkSetName(labtest.LinkOf(t, l.Borea, from), to); err != nil {
		t.Fatalf("rename %s to %s: %v", from, to, err)
	}
	labtest.Await(t, "the new name "+to, func() bool {
		i := labtest.Info(t, d)
		return i.Slave == to && i.SlaveState == api.SlaveUp &&
			labtest.LinkOf(t, l.Borea, "insane").Attrs().Alias == "insane: slave "+to
	})
}

// AwaitCarrier waits until insane has carrier, or has none.
func AwaitCarrier(t testing.TB, l *lab.Lab, want bool) {
	t.Helper()
	what := "insane to have no carrier"
	if want {
		what = "insane to have carrier"
	}
	labtest.Await(t, what, func() bool { return labtest.CarrierOf(t, l.Borea, "insane") == want })
}

// Unplug deletes the link of borea with this name, and with it the cable.
func Unplug(t testing.TB, l *lab.Lab, name string) {
	t.Helper()
	if err := l.Borea.Netlink().LinkDel(labtest.LinkOf(t, l.Borea, name)); err != nil {
		t.Fatalf("delete %s: %v", name, err)
	}
}

// Plug makes a cable like the one of the lab. name and index are those of borea's end;
// index 0 lets the kernel choose.
func Plug(t testing.TB, l *lab.Lab, name string, index int) {
	t.Helper()
	namespace := labtest.NamespaceOf(t, l.Morgana)
	defer namespace.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.Index = name, index
	veth := netlink.NewVeth(attrs)
	veth.PeerName = lab.Link
	veth.PeerNamespace = netlink.NsFd(int(namespace.Fd()))
	if err := l.Borea.Netlink().LinkAdd(veth); err != nil {
		t.Fatalf("make cable: %v", err)
	}
	labtest.Furnish(t, l.Morgana, lab.Link, "10.9.0.2/24", "10.9.0.4/24", "fd00:9::2/64", "fd00:9::4/64")
	labtest.Furnish(t, l.Borea, name, "10.9.0.1/24", "fd00:9::1/64")
}

// Relays fails unless every packet to morgana arrives, without a time limit, and passes the
// device. The policy must be pass.
func Relays(t testing.TB, l *lab.Lab, c *insanely.Client) {
	t.Helper()
	const count = 50
	before := Relayed(t, c)
	var in net.PacketConn
	var out net.Conn
	err := errors.Join(
		l.Morgana.Do(func() (err error) {
			in, err = net.ListenPacket("udp", net.JoinHostPort(l.Morgana.IPv4.String(), "0"))
			return err
		}),
		l.Borea.Do(func() (err error) {
			out, err = net.Dial("udp", in.LocalAddr().String())
			return err
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	for k := range count {
		if _, err := out.Write([]byte{byte(k)}); err != nil {
			t.Fatalf("send: %v", err)
		}
	}
	in.SetReadDeadline(time.Now().Add(labtest.Patience))
	for arrived := range count {
		if _, _, err := in.ReadFrom(make([]byte, 10)); err != nil {
			t.Fatalf("%d of %d packets arrived: %v", arrived, count, err)
		}
	}
	// The relay adds a batch to its counters after it has sent all of the batch.
	labtest.Await(t, fmt.Sprintf("the counters to say that %d packets went through the device", count), func() bool {
		return Relayed(t, c)-before >= count
	})
}

// Relayed returns how many packets the device has sent.
func Relayed(t testing.TB, c *insanely.Client) uint64 {
	t.Helper()
	stats, err := c.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return stats.TX.Relayed.Packets
}
