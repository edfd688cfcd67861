package examples_test

import (
	"strings"
	"testing"
)

// A replay repeats a recording: the same packets are lost and the same pings are not answered, and the
// download that failed fails again. What lost them is as many as the seed makes.
func TestProve(t *testing.T) {
	t.Parallel()
	out := run(t, "prove/prove.sh")
	const pings, seed = 200, 2000
	first, second := number(t, out, `pings answered +(\d+) of`), number(t, out, `(\d+) in the replay\n`)
	lost, again := number(t, out, `packets lost +(\d+),`), number(t, out, `and (\d+) in the replay`)
	if same := number(t, out, `replay: (\d+) of them`); first != second || lost != again || lost != same || lost == 0 {
		t.Errorf("%d and %d pings were answered, %d and %d packets lost, %d of them the same", first, second, lost, again, same)
	}
	if recorded := number(t, out, `recorded (\d+) packets`); recorded > pings {
		checkRelayed(t, "percent 80", seed, pings, recorded-pings) // each request that is relayed is answered
	}
	if !strings.Contains(out, "failed 1, came with pass, failed again\n") {
		t.Error("the download has other ends")
	}
	if !strings.Contains(out, "\nthe witness       nothing differs\n") || !strings.Contains(out, "tx  default  percent 80") {
		t.Error("the witness says something else")
	}
	if t.Failed() {
		t.Log(out)
	}
}
