package pcapng_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insane/ledger/pcapng"
)

// A file has the setup of its device, with rules of several lines, also if it has no packet.
func TestSetup(t *testing.T) {
	for _, want := range []ledger.Setup{
		{},
		{TX: "pass", RX: "percent 95", Seed: 1<<64 - 1},
		{TX: "percent 95 delay 20ms", RX: "pass", JudgeNeighbours: true, Rules: "dns: udp port 53 both delay 200ms\nany: any tx pass\n"},
		{TX: "pass", RX: "pass", RulesLeftOut: true},
	} {
		var out bytes.Buffer
		w, err := pcapng.NewWriter(&out, ledger.Header{Device: "insane", Setup: want}, make(pcapng.Programs))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := pcapng.NewReader(&out)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) || r.Header().Setup != want {
			t.Errorf("%v: %+v, want %+v", err, r.Header().Setup, want)
		}
	}
}
