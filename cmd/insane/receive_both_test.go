package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// TestReceiveBothDirections: both directions are faulted from one side, and just
// those pings are answered of which the request and the answer survive.
func TestReceiveBothDirections(t *testing.T) {
	requireProgram(t, "ping")
	b := newTestbed(t)
	for _, family := range []int{4, 6} {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) { b.loseBothWays(t, family) })
	}
}

func (b *testbed) loseBothWays(t *testing.T, family int) {
	there, home, seed := "percent 70", "percent 60", uint64(51)
	back := b.back()
	tx, rx := b.program(t, there, seed), back.program(t, home, seed)
	survivors, answers := survive(tx, rx)
	var got []int
	// ping leaves before the last answers if the machine is busy.
	for attempt := 0; attempt < pingAttempts && !slices.Equal(got, survivors); attempt++ {
		b.awaitQuiet(t)
		i := set(t, b.daemon, api.Change{TX: &there, RX: &home, Seed: &seed})
		sent, received := account{b, i.TX.Stats}, account{back, i.RX.Stats}
		got = b.answered(t, family)
		sent.check(t, pings, tx)
		received.check(t, answers, rx)
	}
	if !slices.Equal(got, survivors) {
		t.Errorf("answered were %v, want %v", got, survivors)
	}
}

// survive says which requests, from 1 on, are answered if the request meets tx
// and the answer to it rx, and how many answers rx meets.
func survive(tx, rx *policy.Program) (survivors []int, answers int) {
	for i := range uint64(pings) {
		if tx.Decide(0, i) != policy.Relay {
			continue
		}
		if rx.Decide(0, uint64(answers)) == policy.Relay {
			survivors = append(survivors, int(i)+1)
		}
		answers++
	}
	return survivors, answers
}

var answerLine = regexp.MustCompile(`icmp_seq=(\d+) ttl=`)

// answered sends pings and returns the numbers of those that were answered.
func (b *testbed) answered(t testing.TB, family int) (list []int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	out, _ := b.from.Command(ctx, "ping", "-n", "-c", strconv.Itoa(pings), "-i", "0.002", "-W", "1",
		b.address(family).String()).CombinedOutput() // fails if there is no answer
	if n := numbers(t, string(out), `(\d+) packets transmitted`)[0]; n != pings {
		t.Errorf("ping sent %d requests, not %d", n, pings)
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
