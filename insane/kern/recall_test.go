package kern

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// way is how a question leaves the host, as in recall.h.
type way int

const (
	past    way = 1
	through way = 2
)

// asked is a question that leaves the host.
type asked struct {
	way  way
	to   towards
	body []byte
}

// exchange is an answer, and what was asked before it.
type exchange struct {
	what   string
	asked  []asked
	to     towards
	answer []byte
	want   owner
}

// recaller runs the programs that remember, on frames without a wire.
type recaller struct{ *bench }

func newRecaller(t testing.TB, claims Claims) *recaller {
	r := &recaller{newBench(t, claims)}
	shared := r.memory.recall
	shared.cookie.Store(1 << 40) // of no socket
	shared.link.Store(uint64(r.index))
	return r
}

// ask lets a question leave. At the slave's egress it has one Ethernet header; before the
// socket filter of the TAP it has two, as in bench.owner.
func (r *recaller) ask(a asked) {
	r.t.Helper()
	etherType := uint16(unix.ETH_P_IP)
	if a.body[0]>>4 == 6 {
		etherType = unix.ETH_P_IPV6
	}
	header := append(append([]byte(nil), a.to.destination([]byte{2, 0x69, 0x6e, 0x73, 0, 0})...), r.mac...)
	header = binary.BigEndian.AppendUint16(header, etherType)
	program, data, want := r.bpf.TransmitPast, append(header[:14:14], a.body...), uint32(actUnspec)
	if a.way == through {
		program, data, want = r.bpf.TransmitRelay, append(append(header[:14:14], header...), a.body...), 0xffffffff
	}
	got, err := program.Run(&ebpf.RunOptions{Data: data, Context: r.context()})
	must(r.t, err)
	if got != want {
		r.t.Fatalf("the program returns %d, want %d", int32(got), int32(want))
	}
}

// forget empties the table.
func (r *recaller) forget() {
	r.t.Helper()
	var flows []kernFlow
	var flow kernFlow
	var way uint64
	for all := r.bpf.Flows.Iterate(); all.Next(&flow, &way); {
		flows = append(flows, flow)
	}
	for _, flow := range flows {
		must(r.t, r.bpf.Flows.Delete(flow))
	}
	r.memory.recall.seen.Store(0)
}

// ports begins the transport header of TCP, UDP or SCTP.
func ports(from, to uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, from)
	return append(binary.BigEndian.AppendUint16(b, to), make([]byte, 16)...)
}

// echo4 is an ICMP message with an identifier.
func echo4(from, to string, kind byte, identifier uint16) []byte {
	return ipv4(from, to, unix.IPPROTO_ICMP, nil, binary.BigEndian.AppendUint16([]byte{kind, 0, 0, 0}, identifier))
}

func echo6(from, to string, kind byte, identifier uint16) []byte {
	return ipv6(from, to, unix.IPPROTO_ICMPV6, append(binary.BigEndian.AppendUint16([]byte{kind, 0, 0, 0}, identifier), 0, 0))
}

// error4 is an ICMP error about a packet.
func error4(from string, kind byte, about []byte) []byte {
	return ipv4(from, host4, unix.IPPROTO_ICMP, nil, append([]byte{kind, 0, 0, 0, 0, 0, 0, 0}, about[:28]...))
}

func error6(from string, kind byte, about []byte) []byte {
	return ipv6(from, host6, unix.IPPROTO_ICMPV6, append([]byte{kind, 0, 0, 0, 0, 0, 0, 0}, about...))
}

// dhcp is a message of a transaction.
func dhcp(from, to string, source, destination uint16, transaction uint32) []byte {
	b := append(ports(source, destination)[:8], 1, 1, 6, 0)
	return ipv4(from, to, unix.IPPROTO_UDP, nil, binary.BigEndian.AppendUint32(b, transaction))
}

// fragment makes an IPv4 packet a fragment, at an offset in units of 8 bytes.
func fragment(b []byte, offset uint16) []byte {
	binary.BigEndian.PutUint16(b[6:], 0x2000|offset)
	return b
}

const host6 = "2001:db8::1" // the slave's address

func tcp4(from, to string, source, destination uint16) []byte {
	return ipv4(from, to, unix.IPPROTO_TCP, nil, ports(source, destination))
}

// plainExchanges are questions through the slave to a routed host, or through the device to a
// host that is not routed.
func plainExchanges() (list []exchange) {
	for _, e := range []struct {
		what             string
		question, answer func(host, peer string) []byte
	}{
		{"TCP", func(h, p string) []byte { return tcp4(h, p, 4000, 80) }, func(h, p string) []byte { return tcp4(p, h, 80, 4000) }},
		{"UDP", func(h, p string) []byte { return ipv4(h, p, unix.IPPROTO_UDP, nil, ports(4000, 53)) },
			func(h, p string) []byte { return ipv4(p, h, unix.IPPROTO_UDP, nil, ports(53, 4000)) }},
		{"SCTP", func(h, p string) []byte { return ipv4(h, p, unix.IPPROTO_SCTP, nil, ports(4000, 53)) },
			func(h, p string) []byte { return ipv4(p, h, unix.IPPROTO_SCTP, nil, ports(53, 4000)) }},
		{"GRE", func(h, p string) []byte { return ipv4(h, p, unix.IPPROTO_GRE, nil, ports(1, 2)) },
			func(h, p string) []byte { return ipv4(p, h, unix.IPPROTO_GRE, nil, ports(3, 4)) }},
		{"echo", func(h, p string) []byte { return echo4(h, p, 8, 77) }, func(h, p string) []byte { return echo4(p, h, 0, 77) }},
		{"behind options", func(h, p string) []byte { return ipv4(h, p, unix.IPPROTO_TCP, make([]byte, 8), ports(4000, 80)) },
			func(h, p string) []byte { return ipv4(p, h, unix.IPPROTO_TCP, make([]byte, 4), ports(80, 4000)) }},
		{"error about TCP", func(h, p string) []byte { return tcp4(h, p, 4000, 80) }, func(h, p string) []byte { return error4(p, 3, tcp4(h, p, 4000, 80)) }},
		{"error of a router", func(h, p string) []byte { return tcp4(h, p, 4000, 80) }, func(h, p string) []byte { return error4(gateway4, 11, tcp4(h, p, 4000, 80)) }},
		{"error about an echo", func(h, p string) []byte { return echo4(h, p, 8, 77) }, func(h, p string) []byte { return error4(p, 3, echo4(h, p, 8, 77)) }},
	} {
		for _, w := range []struct {
			way  way
			peer string
			want owner
		}{{past, routed4, slave}, {through, plain4, device}} {
			list = append(list, exchange{e.what, []asked{{w.way, toHost, e.question(host4, w.peer)}}, toHost, e.answer(host4, w.peer), w.want})
		}
	}
	return list
}

func ipv6Exchanges() (list []exchange) {
	hop := []byte{unix.IPPROTO_TCP, 0, 1, 4, 0, 0, 0, 0}
	first := append([]byte{unix.IPPROTO_UDP, 0, 0, 1, 0, 0, 0, 9}, ports(53, 4000)...)
	for _, w := range []struct {
		way  way
		peer string
		want owner
	}{{past, routed6, slave}, {through, plain6, device}} {
		tcp := ipv6(host6, w.peer, unix.IPPROTO_TCP, ports(4000, 80))
		udp := ipv6(host6, w.peer, unix.IPPROTO_UDP, ports(4000, 53))
		list = append(list,
			exchange{"TCP", []asked{{w.way, toHost, tcp}}, toHost, ipv6(w.peer, host6, unix.IPPROTO_TCP, ports(80, 4000)), w.want},
			exchange{"echo", []asked{{w.way, toHost, echo6(host6, w.peer, 128, 9)}}, toHost, echo6(w.peer, host6, 129, 9), w.want},
			exchange{"behind an extension", []asked{{w.way, toHost, tcp}}, toHost, ipv6(w.peer, host6, unix.IPPROTO_HOPOPTS, append(hop, ports(80, 4000)...)), w.want},
			exchange{"first fragment", []asked{{w.way, toHost, udp}}, toHost, ipv6(w.peer, host6, unix.IPPROTO_FRAGMENT, first), w.want},
			exchange{"error of a router", []asked{{w.way, toHost, tcp}}, toHost, error6(gateway6, 2, tcp), w.want},
			exchange{"error about a fragment", []asked{{w.way, toHost, udp}}, toHost,
				error6(gateway6, 1, ipv6(host6, w.peer, unix.IPPROTO_FRAGMENT, append([]byte{unix.IPPROTO_UDP, 0, 0, 1, 0, 0, 0, 9}, ports(4000, 53)...))), w.want},
		)
	}
	return list
}

// otherExchanges are answers that are not of the flow, and flows that change their way.
func otherExchanges() []exchange {
	tcp, udp := tcp4(host4, routed4, 4000, 80), ipv4(host4, routed4, unix.IPPROTO_UDP, nil, ports(4000, 53))
	answer := tcp4(routed4, host4, 80, 4000)
	plain, reply := tcp4(host4, plain4, 4000, 80), tcp4(plain4, host4, 80, 4000)
	later := fragment(ipv4(routed4, host4, unix.IPPROTO_UDP, nil, ports(0, 0)), 100)
	mdns := ipv4(host4, group4, unix.IPPROTO_UDP, nil, ports(4000, 5353))
	return []exchange{
		{"nothing asked", nil, toHost, answer, device},
		{"another port", []asked{{past, toHost, tcp}}, toHost, tcp4(routed4, host4, 80, 4001), device},
		{"another protocol", []asked{{past, toHost, tcp}}, toHost, ipv4(routed4, host4, unix.IPPROTO_UDP, nil, ports(80, 4000)), device},
		{"another host", []asked{{past, toHost, tcp}}, toHost, tcp4(mate4, host4, 80, 4000), device},
		{"the usual ways", []asked{{through, toHost, tcp}, {past, toHost, plain}}, toHost, answer, device},
		{"the usual way past", []asked{{through, toHost, tcp}, {past, toHost, plain}}, toHost, reply, slave},
		{"past, and then through", []asked{{past, toHost, tcp}, {through, toHost, tcp}}, toHost, answer, device},
		{"past, through, past", []asked{{past, toHost, tcp}, {through, toHost, tcp}, {past, toHost, tcp}}, toHost, answer, slave},
		{"through, and then past", []asked{{through, toHost, plain}, {past, toHost, plain}}, toHost, reply, slave},
		{"one of several", []asked{{past, toHost, tcp}, {through, toHost, tcp4(host4, routed4, 4001, 80)}}, toHost, answer, slave},
		{"later fragment", []asked{{past, toHost, udp}}, toHost, later, both},
		{"later fragment of nobody", []asked{{past, toHost, tcp}}, toHost, later, device},
		{"question in fragments", []asked{{past, toHost, fragment(slices.Clone(udp), 0)}}, toHost, ipv4(routed4, host4, unix.IPPROTO_UDP, nil, ports(53, 4000)), slave},
		{"error about a later fragment", []asked{{past, toHost, udp}}, toHost, error4(routed4, 11, fragment(slices.Clone(udp), 100)), device},
		{"error about nothing", nil, toHost, error4(routed4, 3, tcp), device},
		{"error of a router about a routed host", nil, toHost, error4(gateway4, 3, tcp), device},
		{"error of a routed router about another", nil, toHost, error4(routed4, 11, plain), slave},
		{"error cut short", []asked{{past, toHost, tcp}}, toHost, error4(routed4, 3, tcp)[:40], device},
		{"error to the device", []asked{{past, toHost, tcp}}, toHost, ipv4(routed4, own4, unix.IPPROTO_ICMP, nil, append(make([]byte, 8), tcp[:28]...)), device},
		{"an error that is sent asks nothing", []asked{{past, toHost, error4(routed4, 3, tcp)}}, toHost, echo4(routed4, host4, 0, 0), device},
		{"answer to many", []asked{{past, toHost, tcp}}, toGroup, answer, slave},
		{"answer for another", []asked{{through, toHost, plain}}, toOther, reply, slave},
		{"from the device's address", []asked{{past, toHost, tcp4(own4, routed4, 4000, 80)}}, toHost, tcp4(routed4, own4, 80, 4000), device},
		{"group, answered by a routed host", []asked{{past, toGroup, mdns}}, toHost, ipv4(routed4, host4, unix.IPPROTO_UDP, nil, ports(5353, 4000)), slave},
		{"group, answered from another port", []asked{{past, toGroup, mdns}}, toHost, ipv4(routed4, host4, unix.IPPROTO_UDP, nil, ports(9, 4000)), slave},
		{"group through the device", []asked{{through, toGroup, mdns}}, toHost, ipv4(plain4, host4, unix.IPPROTO_UDP, nil, ports(5353, 4000)), device},
		{"group and another port", []asked{{past, toGroup, mdns}}, toHost, ipv4(routed4, host4, unix.IPPROTO_UDP, nil, ports(5353, 4001)), device},
	}
}

func dhcpExchanges() []exchange {
	discover := func(w way, transaction uint32) []asked {
		return []asked{{w, toAll, dhcp(nobody4, everybody4, 68, 67, transaction)}}
	}
	offer := func(from, to string, transaction uint32) []byte { return dhcp(from, to, 67, 68, transaction) }
	renew := []asked{{past, toHost, dhcp(host4, routed4, 68, 67, 7)}}
	return []exchange{
		{"offer to a client at the slave", discover(past, 7), toHost, offer(routed4, "192.0.2.99", 7), slave},
		{"offer to a client at the device", discover(through, 7), toHost, offer(plain4, "192.0.2.99", 7), device},
		{"offer of a transaction of nobody", discover(past, 7), toHost, offer(routed4, "192.0.2.99", 8), device},
		{"offer to all for the slave", discover(past, 7), toAll, offer(mate4, everybody4, 7), slave},
		{"offer to all for the device", discover(through, 7), toAll, offer(plain4, everybody4, 7), device},
		{"offer to all for nobody", discover(through, 7), toAll, offer(plain4, everybody4, 8), both},
		{"lease renewed at the slave", renew, toHost, offer(routed4, host4, 7), slave},
		{"lease renewed by another server", renew, toHost, offer(mate4, host4, 7), slave},
		{"both have clients", append(discover(past, 7), discover(through, 8)...), toAll, offer(plain4, everybody4, 8), device},
		{"message cut short", discover(past, 7), toAll, offer(plain4, everybody4, 7)[:30], both},
		{"request to all", nil, toAll, dhcp(nobody4, everybody4, 68, 67, 9), slave},
	}
}

// An answer belongs to where its question left, and everything else to whom the claims say.
func TestRecall(t *testing.T) {
	r := newRecaller(t, hostClaims)
	for _, e := range slices.Concat(plainExchanges(), ipv6Exchanges(), otherExchanges(), dhcpExchanges()) {
		r.forget()
		for _, a := range e.asked {
			r.ask(a)
		}
		etherType := uint16(unix.ETH_P_IP)
		if e.answer[0]>>4 == 6 {
			etherType = unix.ETH_P_IPV6
		}
		if got := r.auto(e.to, etherType, e.answer); got != e.want {
			t.Errorf("%s: asked %v: %v, want %v", e.what, e.asked, got, e.want)
		}
	}
}

// Where a strict reverse path check may refuse an answer at the link that it belongs to, both
// get it.
func TestRecallStrict(t *testing.T) {
	r := newRecaller(t, Claims{network(routed4 + "/32"): Routed | Strict, network("0.0.0.0/0"): Strict, network(mate4 + "/32"): Routed})
	tcp, plain := tcp4(host4, routed4, 4000, 80), tcp4(host4, plain4, 4000, 80)
	for _, e := range []exchange{
		{"routed", nil, toHost, tcp4(routed4, host4, 80, 4000), device},
		{"routed, past", []asked{{past, toHost, tcp}}, toHost, tcp4(routed4, host4, 80, 4000), both},
		{"not routed", nil, toHost, tcp4(plain4, host4, 80, 4000), slave},
		{"not routed, through", []asked{{through, toHost, plain}}, toHost, tcp4(plain4, host4, 80, 4000), both},
		{"slave that is not strict", []asked{{past, toHost, tcp4(host4, mate4, 4000, 80)}}, toHost, tcp4(mate4, host4, 80, 4000), slave},
		{"error of a router", nil, toHost, error4(gateway4, 3, tcp), both},
		{"error of a routed host", nil, toHost, error4(routed4, 3, tcp), device},
	} {
		r.forget()
		for _, a := range e.asked {
			r.ask(a)
		}
		if got := r.auto(e.to, unix.ETH_P_IP, e.answer); got != e.want {
			t.Errorf("%s: %v, want %v", e.what, got, e.want)
		}
	}
}

// Nothing is remembered while nothing can depend on it: without Recall, on another link, while
// the daemon does not live, and of hosts that are routed as they are sent to.
func TestRecallNothing(t *testing.T) {
	r := newRecaller(t, hostClaims)
	unusual := asked{past, toHost, tcp4(host4, routed4, 4000, 80)}
	shared := r.memory.recall
	expect := func(what string, want int) {
		t.Helper()
		n := 0
		var flow kernFlow
		var way uint64
		for all := r.bpf.Flows.Iterate(); all.Next(&flow, &way); {
			n++
		}
		if n != want {
			t.Errorf("%s: %d flows, want %d", what, n, want)
		}
		r.forget()
	}
	r.ask(asked{past, toHost, tcp4(host4, plain4, 4000, 80)})
	r.ask(asked{through, toHost, tcp4(host4, routed4, 4000, 80)})
	r.ask(asked{through, toHost, tcp4(own4, plain4, 4000, 80)})
	expect("usual ways", 0)
	r.RX().Kick(0)
	r.ask(unusual)
	expect("a dead daemon", 0)
	r.RX().Kick(now() + forever)
	shared.link.Store(uint64(r.index) + 1)
	r.ask(unusual)
	expect("another link", 0)
	shared.link.Store(uint64(r.index))
	shared.cookie.Store(0)
	r.ask(unusual)
	expect("no Recall", 0)
	shared.cookie.Store(1)
	must(t, r.Claim(nil))
	r.ask(unusual)
	expect("nothing is routed", 0)
	must(t, r.Claim(hostClaims))
	r.ask(unusual)
	expect("all of that", 2) // the flow, and its later fragments
}

// The program is in front of the others at egress, and goes with its closer. On kernels without
// tcx it needs a clsact qdisc. Closing an earlier Recall does not end a later one.
func TestRecallAttach(t *testing.T) {
	near, far := newNamespace(t)
	r := openObjects(t, hostClaims)
	shared := r.memory.recall
	index := near.Attrs().Index
	for _, kind := range []string{"", "ingress", "clsact"} {
		if kind != "" {
			addQdisc(t, index, kind)
		}
		before := len(tcState(t, index))
		closer, err := r.attachPast(index)
		if kind != "clsact" {
			if !errors.Is(err, ErrUnsupported) {
				t.Errorf("qdisc %q: %v, want %v", kind, err, ErrUnsupported)
			}
		} else {
			must(t, err)
			if state := tcState(t, index); len(state) != before+1 {
				t.Errorf("%v, want one filter", state)
			}
			must(t, closer.Close())
		}
		if state := tcState(t, index); len(state) != before {
			t.Errorf("qdisc %q: %v, want it as before", kind, state)
		}
		if kind != "" {
			must(t, netlink.QdiscDel(&netlink.GenericQdisc{QdiscType: kind,
				QdiscAttrs: netlink.QdiscAttrs{LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_INGRESS}}))
		}
	}
	addQdisc(t, index, "clsact") // for kernels without tcx
	addQdisc(t, far.Attrs().Index, "clsact")
	first, err := r.Recall(RecallOptions{Link: index, Sender: 5})
	must(t, err)
	if hasTCX(t) {
		found, err := link.QueryPrograms(link.QueryOptions{Target: index, Attach: ebpf.AttachTCXEgress})
		must(t, err)
		if len(found.Programs) != 1 || found.Programs[0].ID != idOf(t, r.bpf.TransmitPast) {
			t.Errorf("programs %v at egress", found.Programs)
		}
	}
	second, err := r.Recall(RecallOptions{Link: far.Attrs().Index, Sender: 6})
	must(t, err)
	must(t, first.Close())
	if cookie, on := shared.cookie.Load(), shared.link.Load(); cookie != 6 || on != uint64(far.Attrs().Index) {
		t.Errorf("closing the first leaves cookie %d, link %d", cookie, on)
	}
	must(t, second.Close())
	if cookie, on := shared.cookie.Load(), shared.link.Load(); cookie != 0 || on != 0 {
		t.Errorf("closing the second leaves cookie %d, link %d", cookie, on)
	}
}
