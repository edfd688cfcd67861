package verify

import (
	"strconv"
	"strings"
	"time"

	"github.com/seed-39a139a1/insane/policy/unit"
)

// count prints a number with commas: "20,113".
func count(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// decimal prints a number with at most four digits that say something.
func decimal(x float64) string {
	if x >= 1000 {
		return count(uint64(rounded(x)))
	}
	return strconv.FormatFloat(rounded(x), 'f', -1, 64)
}

// rounded returns a number with four digits.
func rounded(x float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 4, 64), 64)
	return r
}

// share prints a part as per cent: "4.97%".
func share(p float64) string { return decimal(100*p) + "%" }

// shareOf prints a part of n: "4.97% of 20,113".
func shareOf(k, n uint64) string { return share(float64(k)/float64(max(1, n))) + " of " + count(n) }

// of prints both numbers: "3 of 20,113".
func of(k, n uint64) string { return count(k) + " of " + count(n) }

// interval prints two shares: "4.31 … 5.69%".
func interval(low, high float64) string { return decimal(100*low) + " … " + share(high) }

// ns prints nanoseconds with four digits: "20.03ms".
func ns(n int64) string {
	d := time.Duration(rounded(float64(n)))
	return d.String()
}

// rate prints bits per second: "9.98mbit".
func rate(bits float64) string {
	for _, u := range []struct {
		bits float64
		name string
	}{{1e9, "gbit"}, {1e6, "mbit"}, {1e3, "kbit"}} {
		if bits >= u.bits {
			return decimal(bits/u.bits) + u.name
		}
	}
	return unit.Rate(bits).String()
}

// joined joins two texts.
func joined(a, b string) string { return strings.TrimSpace(a + " " + b) }
