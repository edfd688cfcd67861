package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// asked is what a policy asks, in terms that can be put beside what was done.
type asked struct {
	percent string        // of the packets are relayed, as a decimal number; "" if all
	on, off time.Duration // both 0 if at all times
}

// parseAsked reads the policy of an answer. A newer daemon may have stages
// that this command has no words for; then ok is false.
func parseAsked(text string) (a asked, ok bool) {
	p, err := policy.Parse(text)
	if err != nil {
		return asked{}, false
	}
	args := strings.Fields(p.Arguments())
	switch p.Mode() {
	case "pass":
	case "percent":
		a.percent = args[0]
	case "time":
		a.on, a.off, ok = spans(args)
		return a, ok
	case "percent+time":
		a.percent = args[0]
		a.on, a.off, ok = spans(args[1:])
		return a, ok
	default:
		return asked{}, false
	}
	return a, true
}

func spans(args []string) (on, off time.Duration, ok bool) {
	on, errOn := time.ParseDuration(args[0])
	off, errOff := time.ParseDuration(args[1])
	return on, off, errOn == nil && errOff == nil
}

// policyText is the policy and what it means.
func policyText(text string) string {
	a, ok := parseAsked(text)
	cycle := a.on+a.off > 0
	switch {
	case !ok:
		return text
	case a.percent != "" && cycle:
		return fmt.Sprintf("%s: %s %% of packets relayed for %s, then none for %s", text, a.percent, a.on, a.off)
	case a.percent != "":
		return fmt.Sprintf("%s: %s %% of packets relayed, %s %% dropped", text, a.percent, complement(a.percent))
	case cycle:
		return fmt.Sprintf("%s: all packets relayed for %s, then dropped for %s", text, a.on, a.off)
	default:
		return text + ": all packets relayed"
	}
}

// verdictText sets what was done beside what was asked. A cycle asks for a share
// of the time, which is one of the packets only if they come evenly.
func verdictText(d api.Direction) string {
	a, ok := parseAsked(d.Policy)
	want := a.percent
	if want == "" {
		want = "100"
	}
	want += " %"
	if cycle := a.on + a.off; cycle > 0 {
		share := strconv.FormatFloat(100*float64(a.on)/float64(cycle), 'f', 2, 64) + " % of the time"
		if a.percent == "" {
			want = share
		} else {
			want += " during " + share
		}
	}
	if !ok {
		want = "–"
	}
	whole := d.Verdicts.Relay + d.Verdicts.Drop
	if whole == 0 {
		return "asked " + want + "  no packets yet"
	}
	return fmt.Sprintf("asked %s  did %s %% of %d", want, share(d.Verdicts.Relay, whole, decimals(a.percent)), whole)
}

// complement is 100 less a decimal number from 0 to 100, exactly: in
// millionths, the finest that policy reads.
func complement(percent string) string {
	value, _ := strconv.ParseFloat(percent, 64)
	rest := 100_000_000 - math.Round(value*1e6)
	return strconv.FormatFloat(rest/1e6, 'f', -1, 64)
}

// decimals is how many decimals a number has, or 2 if it has fewer.
func decimals(number string) int {
	_, fraction, _ := strings.Cut(number, ".")
	return max(len(fraction), 2)
}

// share is part of whole in per cent. Only none is "0" and only all is "100":
// what would be rounded to them is shown as less or more.
func share(part, whole uint64, decimals int) string {
	switch part {
	case 0:
		return "0"
	case whole:
		return "100"
	}
	step := math.Pow10(-decimals)
	value := 100 * float64(part) / float64(whole)
	sign := ""
	switch {
	case value < step/2:
		sign, value = "<", step
	case value >= 100-step/2:
		sign, value = ">", 100-step
	}
	return sign + strconv.FormatFloat(value, 'f', decimals, 64)
}
