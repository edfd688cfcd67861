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
	received := make(chan error, 1)
	go func() { received <- numbered(f.In) }()
	changed := make(chan error, 1)
	go func() {
		policies := []string{"delay 2ms", "pass", "delay 500us", "every 1000000"}
		for i := range 24 {
			time.Sleep(time.Duration(i%5) * time.Millisecond)
			if err := change(policies[i%len(policies)]); err != nil {
				changed <- err
				return
			}
		}
		changed <- nil
	}()
	sending := true
	for i := 0; sending; i++ {
		select {
		case err := <-changed:
			labtest.Must(t, err)
			sending = false
		default:
		}
		if _, err := f.Out.Write(number(i, !sending)); err != nil {
			t.Fatal(err)
		}
		if i%16 == 0 {
			time.Sleep(200 * time.Microsecond) // so that no queue is full
		}
	}
	labtest.Must(t, <-received)
}

// number returns a payload with a number, that says whether it is the last one.
func number(i int, last bool) []byte {
	payload := make([]byte, 64)
	binary.BigEndian.PutUint64(payload, uint64(i))
	if last {
		payload[8] = 1
	}
	return payload
}

// numbered receives payloads with the numbers from 0 to that of the last one, in this order.
func numbered(in *net.UDPConn) error {
	buffer := make([]byte, 100)
	for i := uint64(0); ; i++ {
		_ = in.SetReadDeadline(time.Now().Add(testbed.Longest))
		n, err := in.Read(buffer)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("packet %d does not come", i)
		case err != nil:
			return err
		case n != 64 || binary.BigEndian.Uint64(buffer) != i:
			return fmt.Errorf("packet %d came where %d was expected", binary.BigEndian.Uint64(buffer), i)
		case buffer[8] == 1:
			return nil
		}
	}
}
