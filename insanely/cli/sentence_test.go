package cli

import (
	"math/big"
	"testing"

	"github.com/seed-39a139a1/insane/insanely/api"
)

func TestPolicyText(t *testing.T) {
	for policy, want := range map[string]string{
		"pass":                 "pass: all packets relayed",
		"percent 60":           "percent 60: 60 % of packets relayed, 40 % dropped",
		"percent 0":            "percent 0: 0 % of packets relayed, 100 % dropped",
		"percent 100":          "percent 100: 100 % of packets relayed, 0 % dropped",
		"percent 99.99":        "percent 99.99: 99.99 % of packets relayed, 0.01 % dropped",
		"percent 0.1":          "percent 0.1: 0.1 % of packets relayed, 99.9 % dropped",
		"percent 64.1":         "percent 64.1: 64.1 % of packets relayed, 35.9 % dropped",
		"percent 33.333333":    "percent 33.333333: 33.333333 % of packets relayed, 66.666667 % dropped",
		"percent 99.999999":    "percent 99.999999: 99.999999 % of packets relayed, 0.000001 % dropped",
		"every 5":              "every 5: each 5th packet dropped",
		"percent 80 every 5":   "percent 80 every 5: 80 % of all packets but each 5th relayed",
		"time 500ms 1s":        "time 500ms 1s: all packets relayed for 500ms, then dropped for 1s",
		"percent 9 time 1s 2s": "percent 9 time 1s 2s: 9 % of packets relayed for 1s, then none for 2s",
		"warp 20ms":            "warp 20ms",
		"delay 20ms":           "delay 20ms: all packets relayed, 20ms later",
		"":                     "",
	} {
		if got := policyText(policy); got != want {
			t.Errorf("%q: %q, want %q", policy, got, want)
		}
	}
}

func TestVerdictText(t *testing.T) {
	for _, test := range []struct {
		policy      string
		relay, drop uint64
		want        string
	}{
		{"pass", 0, 0, "asked 100 %  no packets yet"},
		{"pass", 10000, 0, "asked 100 %  did 100 % of 10000"},
		{"percent 60", 5987, 4013, "asked 60 %  did 59.87 % of 10000"},
		{"percent 0", 0, 5, "asked 0 %  did 0 % of 5"},
		{"percent 33.333", 1, 2, "asked 33.333 %  did 33.333 % of 3"},
		{"every 5", 4, 1, "asked 80 %  did 80.00 % of 5"},
		{"every 1", 0, 5, "asked 0 %  did 0 % of 5"},
		{"percent 99 run 5", 4, 1, "asked 99 %  did 80.00 % of 5"},
		{"exactly 3 of 10", 7, 3, "asked 70 %  did 70.00 % of 10"},
		{"gemodel 1 10", 9, 1, "asked 90.91 %  did 90.00 % of 10"},
		{"state 1 10", 9, 1, "asked 90.91 %  did 90.00 % of 10"},
		{"drop 1,5-7", 6, 4, "asked –  did 60.00 % of 10"},
		{"every 3", 2, 1, "asked 66.67 %  did 66.67 % of 3"},
		{"every 18446744073709551615", 5, 0, "asked >99.99 %  did 100 % of 5"},
		{"percent 80 every 5", 64, 36, "asked 64 %  did 64.00 % of 100"},
		{"every 2 time 1s 1s", 1, 3, "asked 50 % during 50.00 % of the time  did 25.00 % of 4"},
		{"time 500ms 1s", 1, 1, "asked 33.33 % of the time  did 50.00 % of 2"},
		{"time 0s 1s", 0, 1, "asked 0.00 % of the time  did 0 % of 1"},
		{"percent 80 time 1s 1s", 2, 3, "asked 80 % during 50.00 % of the time  did 40.00 % of 5"},
		{"warp 20ms", 3, 1, "asked –  did 75.00 % of 4"},
		{"percent 75 ecn", 3, 1, "asked –  did 75.00 % of 4"},
		{"delay 20ms", 4, 0, "asked 100 %  did 100 % of 4"},
		{"percent 75 rate 1mbit", 3, 1, "asked 75 %  did 75.00 % of 4"},
	} {
		d := api.Direction{Policy: test.policy, Verdicts: api.Verdicts{Relay: test.relay, Drop: test.drop}}
		if got := verdictText(d); got != test.want {
			t.Errorf("%s: %q, want %q", test.policy, got, test.want)
		}
	}
}

// A share keeps its decimals if they can be read, and is never rounded to none or
// all.
func TestDecimal(t *testing.T) {
	for _, test := range []struct {
		part, whole int64
		want        string
		decimals    int
	}{
		{0, 1, "0", 0},
		{1, 1, "100", 0},
		{1, 2, "50", 0},
		{2, 3, "66.67", 2},
		{1, 1000, "0.1", 1},
		{99_999_999, 100_000_000, "99.999999", 6},
		{9_999_999_999, 10_000_000_000, "99.99999999", 8},
		{999_999_999_999, 1_000_000_000_000, ">99.99", 2},
		{1, 1_000_000_000_007, "<0.01", 2},
	} {
		got, decimals := decimal(new(big.Rat).Mul(big.NewRat(test.part, test.whole), big.NewRat(100, 1)))
		if got != test.want || decimals != test.decimals {
			t.Errorf("%d of %d: %q, %d decimals; want %q, %d", test.part, test.whole, got, decimals, test.want, test.decimals)
		}
	}
}

// Rounding must not turn one lost packet into none.
func TestShare(t *testing.T) {
	const most = 1<<64 - 1
	for _, test := range []struct {
		part, whole uint64
		decimals    int
		want        string
	}{
		{0, 1, 2, "0"},
		{1, 1, 2, "100"},
		{1, 2, 2, "50.00"},
		{1, 3, 4, "33.3333"},
		{1, 1_000_000, 2, "<0.01"},
		{999_999, 1_000_000, 2, ">99.99"},
		{999_999, 1_000_000, 4, "99.9999"},
		{4, 100_000, 2, "<0.01"},
		{5, 100_000, 2, "0.01"},
		{99_994, 100_000, 2, "99.99"},
		{99_996, 100_000, 2, ">99.99"},
		{most, most, 2, "100"},
		{most - 1, most, 6, ">99.999999"},
		{1, most, 6, "<0.000001"},
	} {
		if got := share(test.part, test.whole, test.decimals); got != test.want {
			t.Errorf("%d of %d: %q, want %q", test.part, test.whole, got, test.want)
		}
	}
}
