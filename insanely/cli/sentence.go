package cli

import (
	"fmt"
	"math"
	"math/big"
	"strconv"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// policyText is the policy and what it means. A newer daemon may have stages that this
// command has no words for: those are shown as they are.
func policyText(text string) string {
	p, err := policy.Parse(text)
	if err != nil {
		return text
	}
	return text + ": " + p.Meaning()
}

// verdictText sets what was done beside what was asked.
func verdictText(d api.Direction) string {
	want, decimals := asked(d.Policy)
	whole := d.Verdicts.Relay + d.Verdicts.Drop
	if whole == 0 {
		return "asked " + want + "  no packets yet"
	}
	return fmt.Sprintf("asked %s  did %s %% of %d", want, share(d.Verdicts.Relay, whole, decimals), whole)
}

// timeDecimals is how many decimals a share of the time has, and at least one of
// packets that were counted.
const timeDecimals = 2

// asked is the share that a policy asks to be relayed, and with how many decimals what
// was done is to be shown beside it. A cycle asks for a share of the time, which is one
// of the packets only if they come evenly.
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

// product is what the stages relay together, in per cent: of the time, or of the
// packets. It is nil if no stage has a share of that.
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
		rest := new(big.Int).SetUint64(s.Of - s.Lost)
		relayed.Mul(relayed, new(big.Rat).SetFrac(rest, of))
	}
	return relayed
}

// decimal is a percentage with as many decimals as it has, if those are not too many to
// be read, and else rounded. Only none is "0" and only all is "100".
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
