package testbed

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// MetricsDiff returns a difference between the metrics for Prometheus and /v1/stats; "" if
// there is none. There may be one while packets are sent.
func MetricsDiff(t testing.TB, l *lab.Lab, d *lab.Daemon) string {
	t.Helper()
	now := labtest.Info(t, d)
	stats, err := d.Client.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := labtest.Run(t, l.Borea, "curl", "-sS", "--max-time", "10", "--abstract-unix-socket", strings.TrimPrefix(d.Socket, "@"), "http://insane/metrics")
	got := samples(t, text)
	want := make(map[string]uint64)
	addSamples(want, "tx", stats.TX)
	addSamples(want, "rx", stats.RX)
	for direction, d := range map[string]api.Direction{"tx": now.TX, "rx": now.RX} {
		fast := sample("fast_path", "direction", direction)
		if want[fast] = 0; d.Path == api.PathKernel {
			want[fast] = 1
		}
	}
	for name := range got {
		if _, known := want[name]; !known && !strings.Contains(name, "direction=") {
			delete(got, name) // belongs to the device, not to a direction
		}
	}
	for _, direction := range []string{"tx", "rx"} {
		// The stats do not contain these.
		for name := range got {
			for _, metric := range []string{"verdicts", "late_seconds", "late_seconds_sum", "late_seconds_count", "drawn_delay_seconds", "relayed_bits"} {
				if strings.HasPrefix(name, "insane_"+metric+"{") && strings.Contains(name, fmt.Sprintf("direction=%q", direction)) {
					delete(got, name)
				}
			}
		}
	}
	return cmp.Diff(want, got)
}

func addSamples(m map[string]uint64, direction string, s api.Stats) {
	for what, c := range map[string]api.Count{"offered": s.Offered, "relayed": s.Relayed} {
		m[sample("packets_total", "direction", direction, "what", what)] = c.Packets
		m[sample("bytes_total", "direction", direction, "what", what)] = c.Bytes
	}
	for reason, c := range s.Dropped {
		m[sample("dropped_packets_total", "direction", direction, "reason", reason)] = c.Packets
		m[sample("dropped_bytes_total", "direction", direction, "reason", reason)] = c.Bytes
	}
	for stage, c := range s.Stages {
		m[sample("stage_dropped_packets_total", "direction", direction, "stage", stage)] = c.Packets
		m[sample("stage_dropped_bytes_total", "direction", direction, "stage", stage)] = c.Bytes
	}
	for what, c := range map[string]api.Count{"copied": s.Copied, "damaged": s.Damaged, "reordered": s.Reordered} {
		m[sample("changed_packets_total", "direction", direction, "what", what)] = c.Packets
		m[sample("changed_bytes_total", "direction", direction, "what", what)] = c.Bytes
	}
	for stage, c := range s.Marked {
		m[sample("marked_packets_total", "direction", direction, "stage", stage)] = c.Packets
		m[sample("marked_bytes_total", "direction", direction, "stage", stage)] = c.Bytes
	}
	m[sample("held_packets", "direction", direction)] = s.Held.Packets
	m[sample("held_bytes", "direction", direction)] = s.Held.Bytes
	m[sample("no_memory_packets_total", "direction", direction)] = s.NoMemory
	m[sample("neighbour_packets_total", "direction", direction)] = s.Neighbour.Packets
	m[sample("neighbour_bytes_total", "direction", direction)] = s.Neighbour.Bytes
	m[sample("overrun_frames_total", "direction", direction)] = s.Overruns
}

// sample returns a name in Prometheus' text format, with labels sorted by name.
func sample(metric string, labels ...string) string {
	text := fmt.Sprintf(`insane_%s{device="insane"`, metric)
	for i := 0; i < len(labels); i += 2 {
		text += fmt.Sprintf(`,%s=%q`, labels[i], labels[i+1])
	}
	return text + "}"
}

// samples parses the text format. Every metric must have a help and a type.
func samples(t testing.TB, text string) map[string]uint64 {
	t.Helper()
	all, described := make(map[string]uint64), make(map[string]int)
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if fields[0] == "#" {
			described[fields[2]]++
			continue
		}
		value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			t.Errorf("%q: %v", lines.Text(), err)
		}
		name := strings.TrimSuffix(lines.Text(), " "+fields[len(fields)-1])
		metric, _, _ := strings.Cut(name, "{")
		if summary := strings.TrimSuffix(strings.TrimSuffix(metric, "_sum"), "_count"); described[summary] == 2 {
			metric = summary
		}
		if described[metric] != 2 {
			t.Errorf("%s has no help or no type", metric)
		}
		all[name] = uint64(value)
	}
	return all
}
