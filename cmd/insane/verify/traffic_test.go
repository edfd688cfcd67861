package verify

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insanely/verify"
)

// flow is UDP packets to a port of their own, some of them in super-frames, all the time.
type flow struct {
	port   int // of the receiver
	out    *net.UDPConn
	supers *net.UDPConn // sends super-frames
	size   int
	sent   int
}

// bothWays returns the testbed with the packets that morgana sends to borea's own addresses beside
// it: of morgana's addresses, both are routed through the device.
func bothWays(b *testbed.Bed) []*testbed.Bed { return []*testbed.Bed{b, b.Back()} }

// newFlow opens the sockets of a flow with so many bytes in each packet.
func newFlow(t *testing.T, b *testbed.Bed, family, size int) *flow {
	t.Helper()
	in := testbed.ListenUDP(t, b.To, b.Address(family))
	to := in.LocalAddr().(*net.UDPAddr)
	f := &flow{port: to.Port, out: b.DialUDP(t, to), supers: b.DialUDP(t, to), size: size}
	testbed.SetOption(t, f.supers, unix.SOL_UDP, unix.UDP_SEGMENT, size)
	return f
}

// burst sends so many packets, as one super-frame or each by itself.
func (f *flow) burst(packets int, super bool) error {
	buffer := make([]byte, packets*f.size)
	for i := range packets {
		payload := buffer[i*f.size:][:f.size]
		testbed.Fill(payload, f.sent)
		f.sent++
		if super {
			continue
		}
		if _, err := f.out.Write(payload); err != nil {
			return err
		}
	}
	if !super {
		return nil
	}
	_, err := f.supers.Write(buffer)
	return err
}

// run sends bursts of all flows, one each two milliseconds, until stop is called.
func run(t *testing.T, packets int, flows ...*flow) (stop func()) {
	t.Helper()
	done, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-done:
				ended <- nil
				return
			case <-tick.C:
			}
			for _, f := range flows {
				if err := f.burst(packets, n%4 == 0); err != nil {
					ended <- err
					return
				}
			}
		}
	}()
	return func() {
		t.Helper()
		close(done)
		if err := <-ended; err != nil {
			t.Fatalf("send: %v", err)
		}
	}
}

// watch runs insanely verify and returns its report, its exit code and what it says of an error.
func watch(t *testing.T, b *testbed.Bed, args ...string) (r verify.Report, code int, said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := b.Daemon.Command(ctx, "insanely", append([]string{"verify", "--json"}, args...)...)
	c.Env = append(c.Env, "GORACE=atexit_sleep_ms=0")
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code, said = exit.ExitCode(), errs.String()
	} else if err != nil {
		t.Fatal(err)
	}
	if len(out) > 0 {
		if err := json.Unmarshal(out, &r); err != nil {
			t.Fatalf("%v in\n%s", err, out)
		}
	}
	return r, code, said
}

// line returns the first line of a report about something.
func line(t *testing.T, r verify.Report, direction, rule, stage string) verify.Line {
	t.Helper()
	for _, l := range r.Lines {
		if l.Direction == direction && l.Rule == rule && strings.HasPrefix(l.Stage, stage) {
			return l
		}
	}
	t.Fatalf("there is no line %s %s %s in\n%s", direction, rule, stage, r)
	return verify.Line{}
}
