package control

import (
	"strings"
	"testing"
)

// Every number of the state has a metric.
func TestMetrics(t *testing.T) {
	body := metricsOf(newFake())
	for _, want := range []string{
		`insane_info{device="insane",path="relay",receive="all",rx="percent 50",slave="eth0",slave_state="up",tx="pass"} 1`,
		`insane_carrier{device="insane"} 1`,
		`insane_mtu_bytes{device="insane"} 1500`,
		`insane_seed{device="insane"} 7`,
		`insane_log_dropped_lines_total{device="insane"} 11`,
		`insane_seed_info{device="insane",seed="7"} 1`,
		`insane_warning{device="insane",kind="away"} 0`,
		`insane_packets_total{device="insane",direction="tx",what="offered"} 108`,
		`insane_packets_total{device="insane",direction="rx",what="relayed"} 206`,
		`insane_bytes_total{device="insane",direction="tx",what="relayed"} 107`,
		`insane_bytes_total{device="insane",direction="rx",what="offered"} 209`,
		`insane_dropped_packets_total{device="insane",direction="tx",reason="policy"} 101`,
		`insane_dropped_bytes_total{device="insane",direction="rx",reason="policy"} 202`,
		`insane_dropped_packets_total{device="insane",direction="rx",reason="too-big"} 0`,
		`insane_neighbour_packets_total{device="insane",direction="tx"} 110`,
		`insane_neighbour_bytes_total{device="insane",direction="rx"} 211`,
		`insane_overrun_frames_total{device="insane",direction="rx"} 205`,
		`insane_fast_path{device="insane",direction="tx"} 1`,
		`insane_fast_path{device="insane",direction="rx"} 0`,
		`insane_verdicts{device="insane",direction="tx",verdict="relay"} 3`,
		`insane_verdicts{device="insane",direction="tx",verdict="drop"} 4`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no line %q in\n%s", want, body)
		}
	}
}
