package rules

import (
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestStories: what people use rules for, as policy/README.md tells it. Each story has a rules
// file, and a check with programs or sockets that know nothing of the device.
func TestStories(t *testing.T) {
	t.Parallel()
	testbed.RequireProgram(t, "ping")
	s := scene{testbed.New(t)}
	s.serve(t)
	for _, story := range []struct {
		name, tx, rx, rules string
		check               func(t *testing.T)
	}{
		{"DNS is slow", "pass", "pass", "dns: udp port 53 both delay 100ms\n", func(t *testing.T) {
			s.exchange(t, "udp", 53, 200*time.Millisecond)
			s.exchange(t, "udp", 54, 0)
			s.offered(t, "dns", 1, 1)
		}},
		{"one peer is lossy", "pass", "pass", "peer: host 10.9.0.2 both percent 0\n", func(t *testing.T) {
			s.pings(t, 0, "10.9.0.2")
			s.pings(t, 5, "fd00:9::2")
		}},
		{"only ACKs are late", "pass", "pass", "acks: tcp ack less 80 rx delay 50ms\n", func(t *testing.T) {
			s.exchange(t, "tcp", 443, 50*time.Millisecond)
			s.pings(t, 5, "10.9.0.2")
		}},
		{"the first SYN is lost", "pass", "pass", "syn: tcp syn dst port 443 tx drop 1\n", func(t *testing.T) {
			s.exchange(t, "tcp", 443, time.Second) // TCP waits for a second (RFC 6298 section 2)
			s.exchange(t, "tcp", 443, 0)
			s.offered(t, "syn", 3, 0)
		}},
		{"a PMTU black hole", "pass", "pass", "big: greater 1400 both percent 0\n", func(t *testing.T) {
			s.pings(t, 0, "-s", "1400", "10.9.0.2")
			s.pings(t, 5, "-s", "1000", "10.9.0.2")
		}},
		{"everything but ssh", "percent 0", "percent 0", "ssh: tcp port 22 both pass\n", func(t *testing.T) {
			s.pings(t, 0, "10.9.0.2")
			s.exchange(t, "tcp", 22, 0)
		}},
		{"only answers are lost", "pass", "pass", "answers: udp src port 53 rx percent 0\n", func(t *testing.T) {
			s.silence(t, 53)
			s.exchange(t, "udp", 54, 0)
			s.offered(t, "answers", 0, 1)
		}},
		{"an asymmetric path", "delay 10ms", "pass", "back: udp rx delay 150ms\n", func(t *testing.T) {
			s.exchange(t, "udp", 54, 160*time.Millisecond)
		}},
		{"questions for neighbours are lost", "pass", "pass", "arp: arp tx percent 0\n", func(t *testing.T) {
			labtest.Run(t, s.Borea, "ip", "neigh", "del", "10.9.0.2", "dev", testbed.Device)
			s.pings(t, 0, "10.9.0.2")
			s.pings(t, 5, "fd00:9::2")
			if lost := rulesOf(t, s.Bed)["arp"].TX.Stats.Dropped[api.DropPolicy].Packets; lost == 0 {
				t.Error("no question was lost")
			}
		}},
		{"one VLAN is lossy", "pass", "pass", "lan: vlan 7 both percent 0\n", func(t *testing.T) {
			for _, id := range []byte{7, 8} {
				s.tagged(t, id)
			}
			labtest.Await(t, "the frames", func() bool {
				rules := rulesOf(t, s.Bed)
				lan, others := rules["lan"].TX.Stats, rules[api.DefaultRule].TX.Verdicts
				return lan.Offered.Packets == 1 && lan.Dropped[api.DropPolicy].Packets == 1 && others.Relay == 1
			})
		}},
	} {
		inReadme(t, story.rules)
		t.Run(story.name, func(t *testing.T) {
			labtest.Set(t, s.Daemon, api.Change{TX: &story.tx, RX: &story.rx})
			load(t, s.Bed, "")
			load(t, s.Bed, story.rules)
			story.check(t)
		})
	}
}

// tagged sends a frame of a VLAN into the device.
func (s scene) tagged(t *testing.T, id byte) {
	t.Helper()
	out := s.RawSocket(t, s.Borea, testbed.Device, 0)
	to := labtest.LinkOf(t, s.Morgana, lab.Link).Attrs().HardwareAddr
	frame := append(slices.Clone(to), 2, 0, 0, 0, 0, 1, 0x81, 0, 0, id, 0x88, 0xb5) // 0x88b5 is for experiments
	labtest.Must(t, out.Send(append(frame, make([]byte, 46)...)))
}

// inReadme fails unless the README has the story.
func inReadme(t *testing.T, rules string) {
	t.Helper()
	text, err := os.ReadFile("../../../policy/README.md")
	labtest.Must(t, err)
	if want := "`" + strings.TrimSpace(rules) + "`"; !strings.Contains(string(text), want) {
		t.Errorf("policy/README.md does not tell of %s", want)
	}
}

// scene is a bed whose far host answers: over UDP on the ports 53 and 54, over TCP on 22 and
// 443, and to pings.
type scene struct{ *testbed.Bed }

// serve starts the answers. They end with the test.
func (s scene) serve(t *testing.T) {
	t.Helper()
	far := s.Morgana.IPv4.String()
	for _, port := range []string{"53", "54"} {
		var conn net.PacketConn
		labtest.Must(t, s.Morgana.Do(func() (err error) { conn, err = net.ListenPacket("udp", far+":"+port); return err }))
		t.Cleanup(func() { conn.Close() })
		go func() {
			buffer := make([]byte, 1500)
			for {
				n, from, err := conn.ReadFrom(buffer)
				if err != nil {
					return
				}
				_, _ = conn.WriteTo(buffer[:n], from)
			}
		}()
	}
	for _, port := range []string{"22", "443"} {
		var l net.Listener
		labtest.Must(t, s.Morgana.Do(func() (err error) { l, err = net.Listen("tcp", far+":"+port); return err }))
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					_, _ = conn.Read(make([]byte, 1))
					_, _ = conn.Write([]byte("!"))
					_ = conn.Close()
				}()
			}
		}()
	}
}

// ask sends something to a port of the far host, and waits for the answer.
func (s scene) ask(network string, port int, patience time.Duration) error {
	var conn net.Conn
	err := s.Borea.Do(func() (err error) {
		conn, err = net.DialTimeout(network, net.JoinHostPort(s.Morgana.IPv4.String(), strconv.Itoa(port)), patience)
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write([]byte("?")); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// exchange fails unless there is an answer, and not before its time.
func (s scene) exchange(t *testing.T, network string, port int, least time.Duration) {
	t.Helper()
	began := time.Now()
	if err := s.ask(network, port, testbed.Longest); err != nil {
		t.Errorf("ask %s port %d: %v", network, port, err)
	}
	if took := time.Since(began); took < least {
		t.Errorf("%s port %d answers after %v, want %v at least", network, port, took, least)
	}
}

// silence fails if an answer comes.
func (s scene) silence(t *testing.T, port int) {
	t.Helper()
	if err := s.ask("udp", port, 500*time.Millisecond); err == nil {
		t.Errorf("port %d answers", port)
	}
}

// pings fails unless so many of five pings are answered.
func (s scene) pings(t *testing.T, want int, args ...string) {
	t.Helper()
	if want > 0 {
		testbed.PingsAll(t, s.Borea, args[len(args)-1], args[:len(args)-1]...)
		return
	}
	out, _ := s.Borea.Command(t.Context(), "ping", append([]string{"-c", "5", "-i", "0.02", "-W", "1"}, args...)...).CombinedOutput()
	if n := testbed.Numbers(t, string(out), `(\d+) received`)[0]; n != 0 {
		t.Errorf("%d pings were answered:\n%s", n, out)
	}
}

// offered fails unless a rule has judged so many packets.
func (s scene) offered(t *testing.T, name string, tx, rx uint64) {
	t.Helper()
	r := rulesOf(t, s.Bed)[name]
	for word, d := range map[string]struct {
		*api.RuleDirection
		want uint64
	}{"tx": {r.TX, tx}, "rx": {r.RX, rx}} {
		got := uint64(0)
		if d.RuleDirection != nil {
			got = d.Stats.Offered.Packets
		}
		if got != d.want {
			t.Errorf("%s %s judged %d packets, want %d", name, word, got, d.want)
		}
	}
}
