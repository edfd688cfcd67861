package insane_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"github.com/seed-39a139a1/insane/insane"
	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/port/porttest"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// A test can open a device by itself, without the daemon. It needs root and a slave with
// the name eth0. It should run in its own network namespace, where no other program makes
// changes (unshare --net go test).
func Example() {
	lossy, err := policy.Parse("percent 80")
	if err != nil {
		log.Fatal(err)
	}
	device, err := insane.Open(insane.Config{
		Name:     "insane",
		Slave:    "eth0",
		Routes:   []netip.Prefix{netip.MustParsePrefix("10.9.0.2/32")}, // the peer of the test
		Policy:   lossy,
		RXPolicy: lossy,
		Receive:  api.ReceiveAuto,
		Path:     api.PathAuto,
		Seed:     7, // the same packets are lost each time
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- device.Run(ctx) }()

	// Here the program under test talks to 10.9.0.2. It needs no change.

	tx := device.State().TX.Stats
	fmt.Println(tx.Dropped[api.DropPolicy].Packets, "packets of", tx.Offered.Packets, "were lost")
	stop() // and the interface is gone, with its routes
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
}

// A device between two fake ports needs neither root nor the kernel.
func ExampleNew() {
	const packets = 20
	lossy, err := policy.Parse("percent 80")
	if err != nil {
		log.Fatal(err)
	}
	host, slave := porttest.New(packets, 0), porttest.New(packets, 0)
	device := insane.New(host, slave, insane.Config{Name: "insane", Policy: lossy, Seed: 7})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- device.Run(ctx) }()

	const seed, epoch = 7, 0
	program := lossy.Compile(epoch, seed)
	for number := range uint64(packets) {
		host.In <- plainFrame(byte(number))
		if program.Decide(epoch, number).Lost() {
			continue
		}
		passed := <-slave.Out
		if last := passed[len(passed)-1]; last != byte(number) {
			fmt.Println("packet", last, "was relayed in place of", number)
		}
	}
	stop()
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	info := device.State()
	fmt.Println("relayed:", info.TX.Verdicts.Relay)
	fmt.Println("dropped:", info.TX.Verdicts.Drop)
	// Output:
	// relayed: 18
	// dropped: 2
}

// plainFrame is one packet of 60 bytes, without offloads, that ends with a mark.
func plainFrame(mark byte) frame.Frame {
	f := make(frame.Frame, frame.HeaderLen+60)
	f[frame.HeaderLen+12] = 0x88 // EtherType 0x88b5, for experiments
	f[frame.HeaderLen+13] = 0xb5
	f[len(f)-1] = mark
	return f
}
