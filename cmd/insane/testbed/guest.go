package testbed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"

	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

// AwaitPromiscuous waits until the slave receives frames for other MAC addresses, or until
// it does not any more.
func AwaitPromiscuous(t testing.TB, l *lab.Lab, want bool) {
	t.Helper()
	labtest.Await(t, "promiscuous mode of the slave to follow", func() bool {
		return (labtest.LinkOf(t, l.Borea, lab.Link).Attrs().Promisc > 0) == want
	})
	if state := labtest.LinkOf(t, l.Borea, lab.Link).Attrs().OperState; state != netlink.OperUp {
		t.Errorf("the slave is %s", state)
	}
}

// NewGuest makes a third host, such as a container of borea. A cable leads from a new link
// of borea with this name to lab.Link of the third host.
func NewGuest(t testing.TB, l *lab.Lab, link string, addresses ...string) *lab.Host {
	t.Helper()
	other := labtest.New(t)
	guest := other.Morgana
	Unplug(t, other, lab.Link) // remove the cable that a new lab has
	namespace := labtest.NamespaceOf(t, guest)
	defer namespace.Close()
	labtest.Run(t, l.Borea, "ip", "link", "add", link, "up", "type", "veth", "peer", "name", "guest")
	Move(t, l.Borea, "guest", namespace, lab.Link)
	labtest.Furnish(t, guest, lab.Link, addresses...)
	return guest
}

// NewBridge makes a bridge whose ports are links of borea. The bridge has the MAC address
// of the first port, as a bridge of a machine has that of its NIC.
func NewBridge(t testing.TB, l *lab.Lab, name string, ports ...string) {
	t.Helper()
	labtest.Run(t, l.Borea, "ip", "link", "add", name, "address", MACOf(t, l, ports[0]), "type", "bridge")
	for _, port := range ports {
		labtest.Run(t, l.Borea, "ip", "link", "set", port, "master", name)
	}
}

// PingsAll fails unless every ping gets exactly one answer. It also resolves the
// neighbours. ping waits for the last answers only twice as long as for earlier ones
// (ping(8), -W). This may be too short on a busy machine, so there are several attempts.
// Also, all hosts of a machine send the answers of ICMPv6 through one socket for each
// processor (net/ipv6/icmp.c, icmpv6_echo_reply). It has no room while many answers, also
// those of other hosts, wait for the address of a neighbour.
// Way checks exactly that nothing is lost.
func PingsAll(t testing.TB, from *lab.Host, to string, args ...string) {
	t.Helper()
	const attempts = 8
	var out []byte
	for range attempts {
		var err error
		args := append([]string{"-c", "5", "-i", "0.02", "-W", "5", to}, args...)
		out, err = from.Command(t.Context(), "ping", args...).CombinedOutput()
		if bytes.Contains(out, []byte("DUP!")) {
			break
		}
		if err == nil && bytes.Contains(out, []byte("5 received")) {
			return
		}
	}
	t.Errorf("%s pings %s:\n%s", from.Name, to, out)
}

// KeepNeighbours makes the neighbour entries of hosts permanent: questions for neighbours
// wait for a moment, and so would the packets behind them.
func KeepNeighbours(t testing.TB, hosts ...*lab.Host) {
	t.Helper()
	learnt := regexp.MustCompile(`(?m)^(\S+) dev (\S+) lladdr (\S+)`)
	for _, h := range hosts {
		for _, n := range learnt.FindAllStringSubmatch(labtest.Run(t, h, "ip", "neigh"), -1) {
			labtest.Run(t, h, "ip", "neigh", "replace", n[1], "lladdr", n[3], "dev", n[2], "nud", "permanent")
		}
	}
}

// Way is a stream of packets, and the share of them that should arrive.
type Way struct {
	From, To *lab.Host
	Address  string
	Share    float64
}

// PerWay is how many packets are sent each way.
const PerWay = 1000

// Check sends PerWay packets, and then more until some of these have arrived. All packets
// wait in the same queues, so each earlier packet has then arrived or is lost. It returns
// how many it sent. Without faults no packet may be lost, and no packet may ever arrive
// twice.
func (w Way) Check(t testing.TB) (sent int) {
	t.Helper()
	in := ListenUDP(t, w.To, netip.MustParseAddr(w.Address))
	out := connectUDP(t, w.From, nil, in)
	send := func() {
		if _, err := out.Write(binary.BigEndian.AppendUint64(nil, uint64(sent))); err != nil {
			t.Fatalf("%s to %s: %v", w.From.Name, w.Address, err)
		}
		sent++
	}
	const burst, pause, enough = 64, 5 * time.Millisecond, 3
	arrived, late, twice := make(map[int]bool), 0, 0
	for deadline := time.Now().Add(Longest); late < enough; time.Sleep(pause) {
		if time.Now().After(deadline) {
			t.Fatalf("%s to %s: %d of %d arrived, and then no more", w.From.Name, w.Address, len(arrived), sent)
		}
		for send(); sent < PerWay && sent%burst != 0; {
			send()
		}
		for _, n := range waitingNumbers(t, in) {
			switch {
			case arrived[n]:
				twice++
			case n >= PerWay:
				late++
			}
			arrived[n] = true
		}
	}
	lo, hi := probe.Interval(PerWay, w.Share, probe.Alpha)
	if got := uint64(len(arrived) - late); got < lo || got > hi || twice != 0 {
		t.Errorf("%s to %s: %d of %d arrived, want %d to %d; %d came twice", w.From.Name, w.Address, got, PerWay, lo, hi, twice)
	}
	return sent
}

// waitingNumbers returns the numbers of the packets that wait to be received.
func waitingNumbers(t testing.TB, conn *net.UDPConn) (numbers []int) {
	t.Helper()
	for payload := make([]byte, 16); ; {
		_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
		n, err := conn.Read(payload)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return numbers
		}
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, NumberOf(payload[:n]))
	}
}

// Faults sets a policy for each direction and restarts the draws.
func Faults(t testing.TB, d *lab.Daemon, tx, rx string) {
	t.Helper()
	labtest.Set(t, d, api.Change{TX: &tx, RX: &rx, Seed: new(uint64(1))})
}

// Balanced fails if the counters of either direction do not balance.
func Balanced(t testing.TB, d *lab.Daemon) {
	t.Helper()
	i := labtest.Info(t, d)
	labtest.CheckCounters(t, i.TX.Stats)
	labtest.CheckCounters(t, i.RX.Stats)
}
