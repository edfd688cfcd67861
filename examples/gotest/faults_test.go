package gotest

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/insane"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// patient is a client that soon asks again.
var patient = Client{Address: address, Try: 50 * time.Millisecond}

// enough is more time than a request needs under any fault that ends.
const enough = 20 * time.Second

// account asks the server for its account.
func account(t *testing.T) Account {
	t.Helper()
	now, err := patient.Account(within(t, enough))
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// await asks until the account is as it should be.
func await(t *testing.T, done func(Account) bool) Account {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < enough; {
		if now := account(t); done(now) {
			return now
		}
	}
	t.Fatal("the account is not as it should be")
	return Account{}
}

// add adds 1 to the account so many times. Each request must be answered.
func add(t *testing.T, c Client, times int) {
	t.Helper()
	for range times {
		if _, err := c.Add(within(t, enough), 1); err != nil {
			t.Fatal(err)
		}
	}
}

// hadEffect fails unless the device did something to a packet: a test of a fault that
// never happened proves nothing.
func hadEffect(t *testing.T, packets uint64) {
	t.Helper()
	if packets == 0 {
		t.Error("not one packet met the fault")
	}
}

func lost(device *insane.Device) uint64 {
	state := device.State()
	return state.TX.Stats.Dropped[api.DropPolicy].Packets + state.RX.Stats.Dropped[api.DropPolicy].Packets
}

// One packet in five is lost, both ways. Every request is answered in the end, and
// carried out once, although some were sent more often.
func TestPercent(t *testing.T) {
	device := open(t, "percent 80", "percent 80")
	before := account(t)
	add(t, patient, 20)
	hadEffect(t, lost(device))
	if got := account(t).Total - before.Total; got != 20 {
		t.Errorf("20 requests were carried out %d times", got)
	}
}

// Nothing arrives. The client says so when its time is over, and not earlier; and it
// works again as soon as the network does.
func TestCut(t *testing.T) {
	device := open(t, "percent 0", "pass")
	begin := time.Now()
	_, err := patient.Add(within(t, 200*time.Millisecond), 1)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) < 200*time.Millisecond {
		t.Errorf("after %v: %v, want %v after 200ms", time.Since(begin), err, context.DeadlineExceeded)
	}
	hadEffect(t, lost(device))
	pass(t, device)
	add(t, patient, 1)
}

// The network is away for a while, again and again. A request that falls into such a
// time is answered behind it.
func TestTime(t *testing.T) {
	device := open(t, "time 100ms 300ms", "pass")
	before, requests := account(t), 0
	for begin := time.Now(); lost(device) == 0 && time.Since(begin) < enough; requests++ {
		add(t, patient, 1)
	}
	hadEffect(t, lost(device))
	if got := account(t).Total - before.Total; got != requests {
		t.Errorf("%d requests were carried out %d times", requests, got)
	}
}

// Packets arrive late. A client whose time is shorter gives up. A client that only
// asks again too early gets its answer, and the request is carried out once.
func TestDelay(t *testing.T) {
	const delay = 200 * time.Millisecond
	device := open(t, "delay 200ms", "pass")
	if _, err := patient.Add(within(t, delay/2), 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a client that waits for %v: %v, want %v", delay/2, err, context.DeadlineExceeded)
	}
	before := account(t) // behind what was sent above
	begin := time.Now()
	add(t, patient, 1)
	if took := time.Since(begin); took < delay {
		t.Errorf("an answer after %v, want none before %v", took, delay)
	}
	if got := account(t).Total - before.Total; got != 1 {
		t.Errorf("one request was carried out %d times", got)
	}
	hadEffect(t, device.State().TX.Did.Delay.Packets)
}

// The link to the client carries 8 Mbit/s. Half a megabyte takes half a second at least.
func TestRate(t *testing.T) {
	open(t, "pass", "rate 8mbit queue 1s")
	begin := time.Now()
	fetch(t)
	if took := time.Since(begin); took < 500*time.Millisecond {
		t.Errorf("500,000 bytes took %v over a link of 8 Mbit/s", took)
	}
}

// fetch fails unless the file arrives as it was sent.
func fetch(t *testing.T) {
	t.Helper()
	got, err := patient.Fetch(within(t, enough))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, file()) {
		t.Errorf("%d bytes arrived that are not those of the file", len(got))
	}
}

// Every packet comes twice. With keys each request is carried out once; without them, twice.
func TestDuplicate(t *testing.T) {
	const requests = 20
	device := open(t, "duplicate 100", "pass")
	before := account(t)
	add(t, patient, requests)
	twice := func(now Account) bool { return now.Heard-before.Heard >= 2*requests }
	if now := await(t, twice); now.Total-before.Total != requests {
		t.Errorf("%d requests were carried out %d times", requests, now.Total-before.Total)
	}
	careless := patient
	careless.NoKeys = true
	before = account(t)
	add(t, careless, requests)
	await(t, func(now Account) bool { return now.Total-before.Total >= 2*requests })
	hadEffect(t, device.State().TX.Stats.Copied.Packets)
}

// Some packets are damaged on their way, both ways. Checksums find them out, so nothing
// wrong arrives: the file is whole, and the sum on the account is right.
func TestCorrupt(t *testing.T) {
	device := open(t, "corrupt 5", "corrupt 5")
	fetch(t)
	before := account(t)
	add(t, patient, 50)
	if got := account(t).Total - before.Total; got != 50 {
		t.Errorf("50 requests of 1 have added %d", got)
	}
	hadEffect(t, device.State().TX.Stats.Damaged.Packets)
	hadEffect(t, device.State().RX.Stats.Damaged.Packets)
}

// Packets overtake each other. The file is put together in the right order.
func TestReorder(t *testing.T) {
	device := open(t, "pass", "reorder 20 by 3")
	fetch(t)
	hadEffect(t, device.State().RX.Stats.Reordered.Packets)
}
