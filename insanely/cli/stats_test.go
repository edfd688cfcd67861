package cli

import (
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// The dropped packets have a row for each stage if several have dropped, in canonical
// order; those that only a newer daemon has come last.
func TestStageRows(t *testing.T) {
	for _, test := range []struct {
		stages map[string]api.Count
		want   string
	}{
		{nil, ""},
		{map[string]api.Count{"percent": {Packets: 9, Bytes: 90}, "time": {}}, ""},
		{map[string]api.Count{"time": {Packets: 2, Bytes: 20}, "percent": {Packets: 7, Bytes: 70}}, `
dropped policy        9     90
  by percent          7     70
  by time             2     20`},
		{map[string]api.Count{"aslant": {Packets: 4, Bytes: 40}, "time": {Packets: 5, Bytes: 50}}, `
dropped policy        9     90
  by time             5     50
  by aslant           4     40`},
	} {
		stats := idleInfo().TX.Stats
		stats.Dropped[api.DropPolicy] = api.Count{Packets: 9, Bytes: 90}
		stats.Stages = test.stages
		text := strings.Join(newCounters(stats).lines(stats), "\n")
		if want := test.want + "\n"; test.want != "" && !strings.Contains(text, want) ||
			test.want == "" && strings.Contains(text, " by ") {
			t.Errorf("%v:\n%s", test.stages, text)
		}
	}
}
