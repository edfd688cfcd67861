package replay

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

const tcpPort = 7001

// serveTCP makes morgana send back, when a connection has said all, what it has said.
func serveTCP(t *testing.T, b *testbed.Bed) netip.AddrPort {
	t.Helper()
	at := netip.AddrPortFrom(b.Morgana.IPv4, tcpPort)
	var l *net.TCPListener
	labtest.Must(t, b.Morgana.Do(func() (err error) {
		l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		return err
	}))
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				text, err := io.ReadAll(c)
				if err == nil {
					_, _ = c.Write(text)
				}
			}()
		}
	}()
	return at
}

// transferTCP sends so many bytes to morgana and back. The error says why it failed.
func transferTCP(b *testbed.Bed, at netip.AddrPort, size int, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var c net.Conn
	err := b.Borea.Do(func() (err error) {
		var d net.Dialer
		c, err = d.DialContext(ctx, "tcp", at.String())
		return err
	})
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	want := bytes.Repeat([]byte("insane"), size/6)
	if _, err := c.Write(want); err != nil {
		return err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	got, err := io.ReadAll(c)
	if err == nil && !bytes.Equal(got, want) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// The packets of a TCP transfer that were lost are lost again, in both directions, although another
// seed was set in between; the client has another port. A recording of the replay tells the same.
func TestTCPTransfer(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	at := serveTCP(t, b)
	b.AwaitQuiet(t)
	ask(t, b, "percent 90", "percent 95", 7)
	const size = 120_000
	transfer := func() { labtest.Must(t, transferTCP(b, at, size, testbed.Longest)) }
	path := record(t, b, transfer)
	first := read(t, path, tcpPort)
	ask(t, b, "pass", "pass", 8)
	transfer()
	out := replay(t, b, path)
	for _, want := range []string{"mode: percent\narguments: 90\n", "  seed 7\n", "rx  percent 95"} {
		if !strings.Contains(strings.ReplaceAll(out, "rx      ", "rx  "), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	again := read(t, record(t, b, transfer), tcpPort)
	first.same(t, again)
	if lost(again[0]) == 0 || lost(again[1]) == 0 {
		t.Error("nothing was lost")
	}
	i := labtest.Info(t, b.Daemon)
	balances(t, i)
	if r := i.Replay; r == nil || r.Flows == 0 || r.Met < r.Packets/2 || r.Met > r.Packets {
		t.Errorf("%+v", r)
	}
}

// A connection that could not be made once cannot be made again. Then the policy judges, by which it
// would have been made.
func TestTCPFailsAgain(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	at := serveTCP(t, b)
	b.AwaitQuiet(t)
	ask(t, b, "drop 1-20", "pass", 7) // the SYN, which is sent again after a second, and so on
	path := record(t, b, func() {
		if err := transferTCP(b, at, 600, 3500*time.Millisecond); err == nil {
			t.Error("the transfer did not fail")
		}
	})
	ask(t, b, "pass", "pass", 8)
	labtest.Must(t, transferTCP(b, at, 600, testbed.Longest))
	replay(t, b, path)
	text := "pass"
	if err := transferTCP(b, at, 600, 1500*time.Millisecond); err == nil {
		t.Error("the transfer did not fail again")
	}
	i := labtest.Info(t, b.Daemon)
	balances(t, i)
	// None was lost by the policy, which has begun anew.
	if r := i.Replay; r == nil || r.Met < 2 || r.Others != 0 || i.TX.Verdicts != (api.Verdicts{Drop: r.Met}) {
		t.Errorf("%+v, %+v", r, i.TX.Verdicts)
	}
	if i := labtest.Set(t, b.Daemon, api.Change{TX: &text}); i.Replay != nil || strings.Contains(i.TX.PathReason, "replay") {
		t.Errorf("the replay goes on: %+v, %s", i.Replay, i.TX.PathReason)
	}
	labtest.Must(t, transferTCP(b, at, 600, testbed.Longest))
}
