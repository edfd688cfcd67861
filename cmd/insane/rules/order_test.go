package rules

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestOrderWhileHoldingBeginsAndEnds: the policy of a flow holds its packets, and then passes them,
// in turn, so that they change between the relay and the kernel. No packet is lost, and none
// overtakes another.
func TestOrderWhileHoldingBeginsAndEnds(t *testing.T) {
	t.Parallel()
	there := testbed.New(t, api.PathKernel)
	for _, b := range []*testbed.Bed{there, there.Back()} {
		name := map[bool]string{false: "tx", true: "rx"}[b.Receiving()]
		b.Path = api.PathKernel
		t.Run(name+"/direction", func(t *testing.T) {
			load(t, b, "")
			inOrder(t, b, func(text string) error {
				_, err := b.Daemon.Client.Set(context.Background(), b.Change(text))
				return err
			})
		})
		t.Run(name+"/rule", func(t *testing.T) {
			load(t, b, "other: udp dst port 9 both delay 1s\nflow: udp both pass\n")
			inOrder(t, b, func(text string) error {
				set := fmt.Sprintf("flow %s %s", name, text)
				_, err := b.Daemon.Client.ChangeRules(context.Background(), api.RulesChange{Set: &set})
				return err
			})
		})
	}
}

func inOrder(t *testing.T, b *testbed.Bed, change func(text string) error) {
	f := b.NewFlow(t, 4)
	b.Begin(t, "pass", 3)
	const count = 6000
	errs := make(chan error, 1)
	go func() { errs <- numbered(f.In, count) }()
	turns := []string{"delay 2ms", "pass", "delay 500us", "every 1000000"}
	stop, changes := make(chan struct{}), 0
	changing := make(chan error, 1)
	go func() {
		for ; ; changes++ {
			select {
			case <-stop:
				changing <- nil
				return
			case <-time.After(time.Duration(changes%5) * time.Millisecond):
			}
			if err := change(turns[changes%len(turns)]); err != nil {
				changing <- err
				return
			}
		}
	}()
	payload := make([]byte, 64)
	for i := range count {
		binary.BigEndian.PutUint64(payload, uint64(i))
		if _, err := f.Out.Write(payload); err != nil {
			t.Fatal(err)
		}
		if i%16 == 0 {
			time.Sleep(200 * time.Microsecond) // so that no queue is full
		}
	}
	close(stop)
	labtest.Must(t, <-changing)
	labtest.Must(t, <-errs)
	if changes < 10 {
		t.Errorf("only %d changes", changes)
	}
}

// numbered receives datagrams with the numbers 0 to count − 1, in this order.
func numbered(in *net.UDPConn, count int) error {
	buffer := make([]byte, 100)
	for i := range count {
		_ = in.SetReadDeadline(time.Now().Add(testbed.Longest))
		n, err := in.Read(buffer)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("packet %d does not come", i)
		case err != nil:
			return err
		case n < 8 || binary.BigEndian.Uint64(buffer) != uint64(i):
			return fmt.Errorf("packet %d came where %d was expected", binary.BigEndian.Uint64(buffer), i)
		}
	}
	return nil
}
