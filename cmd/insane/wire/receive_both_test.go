package wire

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// TestReceiveBothDirections: both directions have a policy. Exactly the pings are answered
// whose request and answer are both relayed.
func TestReceiveBothDirections(t *testing.T) {
	t.Parallel()
	testbed.RequireProgram(t, "ping")
	b := testbed.New(t)
	for _, family := range []int{4, 6} {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) { loseBothWays(t, b, family) })
	}
}

func loseBothWays(t *testing.T, b *testbed.Bed, family int) {
	there, home, seed := "percent 70", "percent 60", uint64(51)
	back := b.Back()
	tx, rx := b.Program(t, there, seed), back.Program(t, home, seed)
	survivors, answers := survive(tx, rx)
	var got []int
	// ping ends before the last answers if the machine is busy.
	for attempt := 0; attempt < testbed.PingAttempts && !slices.Equal(got, survivors); attempt++ {
		b.AwaitQuiet(t)
		i := labtest.Set(t, b.Daemon, api.Change{TX: &there, RX: &home, Seed: &seed})
		sent, received := testbed.Account{Bed: b, Before: i.TX.Stats}, testbed.Account{Bed: back, Before: i.RX.Stats}
		got = answered(t, b, family)
		sent.Check(t, testbed.Pings, tx)
		received.Check(t, answers, rx)
	}
	if !slices.Equal(got, survivors) {
		t.Errorf("answered were %v, want %v", got, survivors)
	}
}

// survive returns which requests, counted from 1, are answered if tx judges the request and
// rx judges the answer. It also returns how many answers rx judges.
func survive(tx, rx *policy.Program) (survivors []int, answers int) {
	for i := range uint64(testbed.Pings) {
		if tx.Decide(0, i).Lost() {
			continue
		}
		if !rx.Decide(0, uint64(answers)).Lost() {
			survivors = append(survivors, int(i)+1)
		}
		answers++
	}
	return survivors, answers
}

var answerLine = regexp.MustCompile(`icmp_seq=(\d+) ttl=`)

// answered sends pings and returns the numbers of those that were answered.
func answered(t testing.TB, b *testbed.Bed, family int) (list []int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testbed.Longest)
	defer cancel()
	out, _ := b.From.Command(ctx, "ping", "-n", "-c", strconv.Itoa(testbed.Pings), "-i", "0.002", "-W", "1",
		b.Address(family).String()).CombinedOutput() // fails if there is no answer
	if n := testbed.Numbers(t, string(out), `(\d+) packets transmitted`)[0]; n != testbed.Pings {
		t.Errorf("ping sent %d requests, not %d", n, testbed.Pings)
	}
	for _, line := range answerLine.FindAllStringSubmatch(string(out), -1) {
		n, err := strconv.Atoi(line[1])
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	return list
}
