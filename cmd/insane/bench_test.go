package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/ipv4"

	"github.com/seed-39a139a1/insane/insane/lab"
)

// The benchmarks compare three ways from borea to morgana in one run, so that
// what else the machine does cancels out: the bare veth pair, the device, and
// the naive relay. `make bench` alternates them many times and lets benchstat
// judge. In a race-detector build they mean nothing.

// benchNet has an address of morgana for each way.
type benchNet struct {
	*lab.Lab
	daemon *lab.Daemon
	paths  []benchPath
}

type benchPath struct {
	name string
	to   netip.Addr
}

// newBenchNet makes the lab, a device that passes everything, and a naive relay
// in front of the same slave.
func newBenchNet(b *testing.B) *benchNet {
	b.Helper()
	l := newLab(b)
	naiveTo := netip.MustParseAddr("10.9.0.6")
	n := &benchNet{Lab: l, daemon: newDaemon(b, l, "--slave", "eth0", "--route", l.Morgana.IPv4.String()), paths: []benchPath{
		{"direct", l.Morgana.SpareIPv4}, {"relay", l.Morgana.IPv4}, {"naive", naiveTo},
	}}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := l.Borea.Command(ctx, "naive", "naive0", "eth0")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cancel(); cmd.Wait() })
	var mac net.HardwareAddr
	if err := l.Morgana.Do(func() (err error) { mac, err = addAddress("eth0", naiveTo.String()+"/24"); return err }); err != nil {
		b.Fatal(err)
	}
	if err := l.Borea.Do(func() error { return leadThrough("naive0", naiveTo, mac) }); err != nil {
		b.Fatal(err)
	}
	if os.Getenv("INSANE_BENCH_REVERSE") != "" {
		slices.Reverse(n.paths)
	}
	return n
}

// addAddress adds an address to a link and returns the link's MAC address.
func addAddress(link, cidr string) (net.HardwareAddr, error) {
	found, err := netlink.LinkByName(link)
	if err != nil {
		return nil, err
	}
	addr, err := netlink.ParseAddr(cidr)
	if err != nil {
		return nil, err
	}
	return found.Attrs().HardwareAddr, netlink.AddrAdd(found, addr)
}

// leadThrough routes a host through the naive relay once it is there. What the
// relay does not receive cannot resolve neighbours, so morgana's address is given.
func leadThrough(name string, to netip.Addr, mac net.HardwareAddr) error {
	var tap netlink.Link
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var err error
		if tap, err = netlink.LinkByName(name); err == nil {
			break
		} else if time.Now().After(end) {
			return fmt.Errorf("naive relay does not start: %w", err)
		}
	}
	if err := netlink.LinkSetUp(tap); err != nil {
		return err
	}
	dst := &net.IPNet{IP: to.AsSlice(), Mask: net.CIDRMask(32, 32)}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: tap.Attrs().Index, Dst: dst, Scope: netlink.SCOPE_LINK}); err != nil {
		return err
	}
	return netlink.NeighSet(&netlink.Neigh{
		LinkIndex: tap.Attrs().Index, IP: to.AsSlice(), State: netlink.NUD_PERMANENT, HardwareAddr: mac,
	})
}

// listen opens a socket in morgana, dial one in borea.
func (n *benchNet) listenTCP(b *testing.B, at netip.Addr) net.Listener {
	b.Helper()
	var l net.Listener
	err := n.Morgana.Do(func() (err error) {
		l, err = net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(at, 0)))
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}

func (n *benchNet) listenUDP(b *testing.B, at netip.Addr) *net.UDPConn {
	b.Helper()
	var c *net.UDPConn
	err := n.Morgana.Do(func() (err error) {
		c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, 0)))
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

func (n *benchNet) dial(b *testing.B, to net.Addr) net.Conn {
	b.Helper()
	var c net.Conn
	err := n.Borea.Do(func() (err error) {
		c, err = net.DialTimeout(to.Network(), to.String(), 5*time.Second)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

// BenchmarkTCP is one stream; an op is 1 MiB that has arrived.
func BenchmarkTCP(b *testing.B) {
	n := newBenchNet(b)
	for _, p := range n.paths {
		b.Run("path="+p.name, func(b *testing.B) {
			l := n.listenTCP(b, p.to)
			var got atomic.Int64
			arrived := make(chan error, 1)
			go func() {
				c, err := l.Accept()
				if err != nil {
					arrived <- err
					return
				}
				defer c.Close()
				size, err := io.Copy(io.Discard, onlyReader{c})
				got.Store(size)
				arrived <- err
			}()
			c := n.dial(b, l.Addr())
			chunk := make([]byte, 1<<20)
			b.SetBytes(int64(len(chunk)))
			for b.Loop() {
				if _, err := c.Write(chunk); err != nil {
					b.Fatal(err)
				}
			}
			c.(*net.TCPConn).CloseWrite()
			if err := <-arrived; err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if got.Load() < int64(b.N)*int64(len(chunk)) {
				b.Fatalf("%d bytes arrived of %d MiB", got.Load(), b.N)
			}
			b.ReportMetric(float64(got.Load())*8/b.Elapsed().Seconds()/1e9, "Gbit/s")
		})
	}
	n.checkBooks(b)
}

// onlyReader hides the fast ways of a TCP connection into io.Discard, which
// would leave reading out.
type onlyReader struct{ io.Reader }

// checkBooks makes a run void whose books do not balance.
func (n *benchNet) checkBooks(b *testing.B) {
	b.Helper()
	checkBooks(b, info(b, n.daemon).TX.Stats)
}

// BenchmarkRoundTrip is one small packet there and, past the device, back.
func BenchmarkRoundTrip(b *testing.B) {
	n := newBenchNet(b)
	for _, p := range n.paths {
		b.Run("path="+p.name, func(b *testing.B) {
			far := n.listenUDP(b, p.to)
			go func() {
				for buf := make([]byte, 64); ; {
					size, from, err := far.ReadFromUDPAddrPort(buf)
					if err != nil {
						return
					}
					far.WriteToUDPAddrPort(buf[:size], from)
				}
			}()
			c := n.dial(b, far.LocalAddr())
			buf := make([]byte, 64)
			for b.Loop() {
				if _, err := c.Write(buf[:18]); err != nil {
					b.Fatal(err)
				}
				c.SetReadDeadline(time.Now().Add(5 * time.Second))
				if _, err := c.Read(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	n.checkBooks(b)
}

// BenchmarkPackets offers 64-byte packets as fast as one sender can; what
// counts is how many of them arrive in a second.
func BenchmarkPackets(b *testing.B) {
	n := newBenchNet(b)
	for _, p := range n.paths {
		b.Run("path="+p.name, func(b *testing.B) {
			far := n.listenUDP(b, p.to)
			far.SetReadBuffer(64 << 20)
			var arrived atomic.Int64
			go countPackets(far, &arrived)
			out := ipv4.NewPacketConn(n.dial(b, far.LocalAddr()).(*net.UDPConn))
			batch := make([]ipv4.Message, 64)
			for i := range batch {
				batch[i].Buffers = [][]byte{make([]byte, 64-20-8)}
			}
			sent := 0
			for b.Loop() {
				k, err := out.WriteBatch(batch, 0)
				if err != nil {
					b.Fatal(err)
				}
				sent += k
			}
			elapsed := b.Elapsed().Seconds()
			b.StopTimer()
			b.ReportMetric(float64(arrived.Load())/elapsed, "arrived/s")
			b.ReportMetric(float64(sent)/elapsed, "sent/s")
		})
	}
	n.checkBooks(b)
}

func countPackets(c *net.UDPConn, n *atomic.Int64) {
	in := ipv4.NewPacketConn(c)
	batch := make([]ipv4.Message, 64)
	for i := range batch {
		batch[i].Buffers = [][]byte{make([]byte, 128)}
	}
	for {
		k, err := in.ReadBatch(batch, 0)
		n.Add(int64(k))
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// BenchmarkFootprint is what a daemon costs that has relayed a stream and then
// has nothing to do.
func BenchmarkFootprint(b *testing.B) {
	n := newBenchNet(b)
	l := n.listenTCP(b, n.Morgana.IPv4)
	go func() {
		if c, err := l.Accept(); err == nil {
			io.Copy(io.Discard, onlyReader{c})
		}
	}()
	c := n.dial(b, l.Addr())
	for range 512 {
		if _, err := c.Write(make([]byte, 1<<20)); err != nil {
			b.Fatal(err)
		}
	}
	const idle = 5 * time.Second
	for b.Loop() {
		time.Sleep(time.Second) // for the last acknowledgements
		before := cpuTime(b, n.daemon.PID())
		time.Sleep(idle)
		used := cpuTime(b, n.daemon.PID()) - before
		b.ReportMetric(100*used.Seconds()/idle.Seconds(), "idle-CPU-%")
		b.ReportMetric(peakMemory(b, n.daemon.PID()), "peak-MiB")
	}
}

// cpuTime is what a process has used, in user and kernel mode: proc(5), stat,
// fields 14 and 15, in ticks of 10 ms.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
	ticks := 0
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// peakMemory is the largest resident set a process has had.
func peakMemory(b *testing.B, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, ok := strings.Cut(string(status), "VmHWM:")
	if !ok {
		b.Fatal("no VmHWM in /proc/PID/status")
	}
	kib, err := strconv.ParseFloat(strings.Fields(after)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}
