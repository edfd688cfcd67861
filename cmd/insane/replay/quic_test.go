package replay

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/quic"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

const quicPort = 7002

// quicConfig returns the settings of both ends. A connection fails if it hears nothing for so long.
func quicConfig(t *testing.T, patience time.Duration) *quic.Config {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	labtest.Must(t, err)
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"morgana"}}
	der, err := x509.CreateCertificate(nil, &template, &template, public, private)
	labtest.Must(t, err)
	return &quic.Config{
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS13, NextProtos: []string{"echo"}, InsecureSkipVerify: true, // the test is not about certificates
			Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}},
		},
		HandshakeTimeout: patience, MaxIdleTimeout: patience,
	}
}

// endpoint opens an end of QUIC in a host.
func endpoint(t *testing.T, h *lab.Host, at netip.AddrPort, c *quic.Config) *quic.Endpoint {
	t.Helper()
	var e *quic.Endpoint
	labtest.Must(t, h.Do(func() (err error) {
		e, err = quic.Listen("udp", at.String(), c)
		return err
	}))
	return e
}

// serveQUIC makes morgana send back what each stream has said.
func serveQUIC(t *testing.T, b *testbed.Bed, patience time.Duration) netip.AddrPort {
	t.Helper()
	at := netip.AddrPortFrom(b.Morgana.IPv4, quicPort)
	e := endpoint(t, b.Morgana, at, quicConfig(t, patience))
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		_ = e.Close(ctx)
	})
	go func() {
		for {
			c, err := e.Accept(ctx)
			if err != nil {
				return
			}
			go func() {
				s, err := c.AcceptStream(ctx)
				if err != nil {
					return
				}
				text, err := io.ReadAll(s)
				if err == nil {
					_, _ = s.Write(text)
					_ = s.Close()
				}
			}()
		}
	}()
	return at
}

// transferQUIC sends so many bytes to morgana and back. The error says why it failed.
func transferQUIC(t *testing.T, b *testbed.Bed, at netip.AddrPort, size int, patience time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testbed.Longest)
	defer cancel()
	config := quicConfig(t, patience)
	e := endpoint(t, b.Borea, netip.AddrPortFrom(b.Borea.IPv4, 0), nil)
	over, ended := context.WithCancel(context.Background())
	ended() // Close does not wait for the other end
	defer func() { _ = e.Close(over) }()
	c, err := e.Dial(ctx, "udp", at.String(), config)
	if err != nil {
		return err
	}
	defer c.Abort(nil)
	s, err := c.NewStream(ctx)
	if err != nil {
		return err
	}
	want := bytes.Repeat([]byte("insane"), size/6)
	if _, err := s.Write(want); err != nil {
		return err
	}
	s.CloseWrite()
	got, err := io.ReadAll(s)
	if err == nil && !bytes.Equal(got, want) {
		return errors.New("other bytes came back")
	}
	return err
}

// A QUIC transfer that failed once, since nothing of it was relayed from some packet on, fails again at
// the same packets; by the seed and the policies in between it does not.
func TestQUICFailsAgain(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	const patience = 1500 * time.Millisecond
	at := serveQUIC(t, b, patience)
	b.AwaitQuiet(t)
	const size = 60_000
	ask(t, b, "drop 12-100000", "percent 95", 7)
	var first error
	path := record(t, b, func() { first = transferQUIC(t, b, at, size, patience) })
	recorded := read(t, path, quicPort)
	ask(t, b, "pass", "pass", 8)
	labtest.Must(t, transferQUIC(t, b, at, size, patience))
	replay(t, b, path)
	var second error
	again := read(t, record(t, b, func() { second = transferQUIC(t, b, at, size, patience/2) }), quicPort)
	if first == nil || second == nil {
		t.Fatalf("first %v, then %v", first, second)
	}
	t.Logf("first %q, then %q", first, second)
	recorded.same(t, again)
	if lost(again[0]) == 0 || lost(again[0]) == len(again[0]) {
		t.Errorf("%d of %d packets are lost", lost(again[0]), len(again[0]))
	}
	balances(t, labtest.Info(t, b.Daemon))
}

// A QUIC transfer that is not whole when a packet is lost sends it again, and comes to an end twice.
func TestQUICTransfer(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	at := serveQUIC(t, b, testbed.Longest)
	b.AwaitQuiet(t)
	ask(t, b, "percent 90", "percent 90", 7)
	transfer := func() { labtest.Must(t, transferQUIC(t, b, at, 60_000, testbed.Longest)) }
	path := record(t, b, transfer)
	recorded := read(t, path, quicPort)
	ask(t, b, "pass", "pass", 8)
	replay(t, b, path)
	again := read(t, record(t, b, transfer), quicPort)
	recorded.same(t, again)
	if lost(again[0]) == 0 || lost(again[1]) == 0 {
		t.Error("nothing was lost")
	}
}
