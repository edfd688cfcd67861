package gotest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// host is the environment variable that tells a run of this test binary where it runs.
const host = "GOTEST_HOST"

// address is that of the server in morgana.
const address = "10.9.0.2:7000"

// TestMain runs this binary once more, in a network namespace of its own, where a device
// may be opened: one called borea, from which a cable leads to another one, morgana. The
// server runs in morgana and the tests run in borea. Both hosts end with this process.
func TestMain(m *testing.M) {
	if os.Getenv(host) == "borea" {
		os.Exit(m.Run())
	}
	code, err := runInLab()
	if errors.Is(err, fs.ErrPermission) {
		code, err = m.Run(), nil // all tests skip themselves
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runInLab() (code int, err error) {
	l, err := lab.New(lab.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	server := Server{File: file()}
	if err := l.Morgana.Do(func() error { return server.Listen(":7000") }); err != nil {
		return 0, err
	}
	defer server.Close()
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	tests := l.Borea.Command(context.Background(), self, os.Args[1:]...)
	tests.Env = append(os.Environ(), host+"=borea")
	tests.Stdin, tests.Stdout, tests.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = tests.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// file is what the server sends: half a megabyte in which no two parts are alike.
func file() []byte {
	bytes := make([]byte, 500_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(bytes)
	return bytes
}

// open opens a device in front of eth0, and routes the server through it. Packets to the
// server meet the policy tx, those from it the policy rx. The device ends with the test.
func open(t *testing.T, tx, rx string) *insane.Device {
	t.Helper()
	if os.Getenv(host) != "borea" {
		t.Skip("needs root, or CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF")
	}
	device, err := insane.Open(insane.Config{
		Name:     "insane",
		Slave:    "eth0",
		Routes:   []netip.Prefix{netip.MustParsePrefix("10.9.0.2/32")}, // morgana
		Policy:   parse(t, tx),
		RXPolicy: parse(t, rx),
		Receive:  api.ReceiveAuto,
		Path:     api.PathAuto,
		Seed:     7, // the same packets meet the same faults each time
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- device.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return device
}

func parse(t *testing.T, text string) policy.Policy {
	t.Helper()
	p, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pass takes all faults away.
func pass(t *testing.T, device *insane.Device) {
	t.Helper()
	none := "pass"
	if _, err := device.Set(api.Change{TX: &none, RX: &none}); err != nil {
		t.Fatal(err)
	}
}

// within is a context for one call of the client.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
