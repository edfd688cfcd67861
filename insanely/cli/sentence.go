package cli

import (
	"fmt"
	"math"
	"math/big"
	"strconv"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// policyText returns a policy and its meaning. A newer daemon may have stages that this
// command does not know; then it returns the text of the policy only.
func policyText(text string) string {
	p, err := policy.Parse(text)
	if err != nil {
		return text
	}
	return text + ": " + p.Meaning()
}

// verdictText compares the wanted share of packets with the measured one.
func verdictText(d api.Direction) string {
	want, decimals := asked(d.Policy)
	whole := d.Verdicts.Relay + d.Verdicts.Drop
	if whole == 0 {
		return "asked " + want + "  no packets yet"
	}
	return fmt.Sprintf("asked %s  did %s %% of %d", want, share(d.Verdicts.Relay, whole, decimals), whole)
}

// timeDecimals is the number of decimals for a share of the time, and the least number of
// decimals for a share of counted packets.
const timeDecimals = 2

// asked returns the share that a policy wants to relay, and the number of decimals for the
// measured share beside it. A cycle relays a share of the time; this equals a share of the
// packets only if the packets come evenly.
func asked(text string) (want string, decimals int) {
	p, err := policy.Parse(text)
	if err != nil {
		return "–", timeDecimals
	}
	shares, ok := p.Shares()
	if !ok {
		return "–", timeDecimals
	}
	packets, times := product(shares, false), product(shares, true)
	switch {
	case times == nil && packets == nil:
		return "100 %", timeDecimals
	case packets == nil:
		return times.FloatString(timeDecimals) + " % of the time", timeDecimals
	}
	want, decimals = decimal(packets)
	want += " %"
	if times != nil {
		want += " during " + times.FloatString(timeDecimals) + " % of the time"
	}
	return want, max(decimals, timeDecimals)
}

// product returns how much all stages together relay, in per cent of the time or of the
// packets. It is nil if no stage has a share of that kind.
func product(shares []policy.Share, ofTime bool) *big.Rat {
	var relayed *big.Rat
	for _, s := range shares {
		if s.Time != ofTime {
			continue
		}
		if relayed == nil {
			relayed = big.NewRat(100, 1)
		}
		of := new(big.Int).SetUint64(s.Of)
		rest := new(big.Int).SetUint64(s.Of - s.Part)
		relayed.Mul(relayed, new(big.Rat).SetFrac(rest, of))
	}
	return relayed
}

// decimal writes a percentage with all its decimals, unless these are too many to read;
// then it rounds. Only none is "0" and only all is "100".
func decimal(percent *big.Rat) (text string, decimals int) {
	const most = 8
	if n, exact := percent.FloatPrec(); exact && n <= most {
		return percent.FloatString(n), n
	}
	text = percent.FloatString(timeDecimals)
	rounded, _ := new(big.Rat).SetString(text)
	switch {
	case rounded.Sign() == 0:
		return "<0.01", timeDecimals
	case rounded.Cmp(big.NewRat(100, 1)) == 0:
		return ">99.99", timeDecimals
	}
	return text, timeDecimals
}

// share returns part of whole in per cent. Only none is "0" and only all is "100": a value
// that would be rounded to one of these is shown as less or more.
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
