package control

import (
	"net/http"
	"strconv"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// metrics are all that there are, by their names without "insane_".
var metrics = map[string]metric{
	"info":                        {gauge, "What the device is; always 1.", []string{"path", "receive", "rx", "slave", "slave_state", "tx"}},
	"carrier":                     {gauge, "1 if the interface has carrier.", nil},
	"mtu_bytes":                   {gauge, "MTU of the interface.", nil},
	"seed":                        {gauge, "Seed of every draw, rounded to what a floating point number can be.", nil},
	"seed_info":                   {gauge, "Seed of every draw, exactly; always 1.", []string{"seed"}},
	"warning":                     {gauge, "1 if something is wrong although the device works, by kind.", []string{"kind"}},
	"log_dropped_lines_total":     {counter, "Lines of the daemon's log that were lost.", nil},
	"packets_total":               {counter, "Wire packets offered to the device and relayed by it, on either path.", []string{"direction", "what"}},
	"bytes_total":                 {counter, "Ethernet bytes of the packets offered and relayed.", []string{"direction", "what"}},
	"dropped_packets_total":       {counter, "Wire packets dropped, by reason.", []string{"direction", "reason"}},
	"dropped_bytes_total":         {counter, "Ethernet bytes of the packets dropped, by reason.", []string{"direction", "reason"}},
	"stage_dropped_packets_total": {counter, "Wire packets dropped by the policy, by stage.", []string{"direction", "stage"}},
	"stage_dropped_bytes_total":   {counter, "Ethernet bytes of the packets dropped by the policy, by stage.", []string{"direction", "stage"}},
	"neighbour_packets_total":     {counter, "Messages of ARP, neighbour discovery, IGMP and MLD relayed without a verdict.", []string{"direction"}},
	"neighbour_bytes_total":       {counter, "Ethernet bytes of these messages.", []string{"direction"}},
	"overrun_frames_total":        {counter, "Frames that the kernel lost in front of the relay.", []string{"direction"}},
	"fast_path":                   {gauge, "1 if the kernel carries what it can, 0 if the relay carries everything.", []string{"direction"}},
	"held_packets":                {gauge, "Wire packets that wait now, because the policy says so.", []string{"direction"}},
	"held_bytes":                  {gauge, "Ethernet bytes of these packets.", []string{"direction"}},
	"changed_packets_total":       {counter, "Wire packets copied, damaged and reordered.", []string{"direction", "what"}},
	"changed_bytes_total":         {counter, "Ethernet bytes of these packets.", []string{"direction", "what"}},
	"marked_packets_total":        {counter, "Wire packets with a congestion mark of the device, by stage.", []string{"direction", "stage"}},
	"marked_bytes_total":          {counter, "Ethernet bytes of these packets.", []string{"direction", "stage"}},
	"no_memory_packets_total":     {counter, "Wire packets lost because too much waited already.", []string{"direction"}},
	"late_seconds":                {summary, "How much later than they were to packets left that were held, since the policy was set.", []string{"direction"}},
	"drawn_delay_seconds":         {gauge, "Mean and standard deviation of the delays drawn since the policy was set.", []string{"direction", "what"}},
	"relayed_bits":                {gauge, "Bits relayed in the last whole second, by the relay.", []string{"direction"}},
	"rules":                       {gauge, "Rules of the device.", nil},
	"rules_left_out":              {gauge, "Rules that have no metrics of their own, because they come behind the first ones.", nil},
	"rule_packets_total":          {counter, "Wire packets that a rule judged, and what became of them.", []string{"direction", "rule", "what"}},
	"verdicts":                    {gauge, "Packets judged since the present policy was set.", []string{"direction", "verdict"}},
}

// metrics answers with the state of the device for Prometheus.
func (s *server) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", textFormat)
	w.Write(collect(s.device).text())
}

// collect reads the state of a device.
func collect(d Device) *exposition {
	i := d.State()
	e := &exposition{device: i.Name, shown: make(map[string][]series, len(metrics))}
	e.add("info", 1, i.Path, i.Receive, i.RX.Policy, i.Slave, i.SlaveState, i.TX.Policy)
	e.add("mtu_bytes", float64(i.MTU))
	e.add("seed", float64(i.Seed))
	e.add("seed_info", 1, strconv.FormatUint(i.Seed, 10))
	e.add("log_dropped_lines_total", float64(i.LogDropped))
	e.add("carrier", number(i.Carrier))
	for _, kind := range api.WarningKinds() {
		e.add("warning", number(i.Warns(kind)), kind)
	}
	for direction, d := range map[string]api.Direction{"tx": i.TX, "rx": i.RX} {
		e.direction(direction, d)
		e.stats(direction, d.Stats)
	}
	e.rules(d.Rules(0))
	return e
}

// direction adds the state of one direction, but for its counters.
func (e *exposition) direction(direction string, d api.Direction) {
	e.add("verdicts", float64(d.Verdicts.Relay), direction, "relay")
	e.add("verdicts", float64(d.Verdicts.Drop), direction, "drop")
	e.add("fast_path", number(d.Path == api.PathKernel), direction)
	e.add("drawn_delay_seconds", seconds(d.Did.Delay.Mean), direction, "mean")
	e.add("drawn_delay_seconds", seconds(d.Did.Delay.Spread), direction, "spread")
	e.add("relayed_bits", float64(d.Did.Rate), direction)
	e.addSamples("late_seconds", []string{direction},
		sample{quantile: "0.5", value: seconds(d.Late.P50)},
		sample{quantile: "0.99", value: seconds(d.Late.P99)},
		sample{quantile: "1", value: seconds(d.Late.Worst)},
		sample{suffix: "_sum", value: seconds(d.Late.Sum)},
		sample{suffix: "_count", value: float64(d.Late.Packets)})
}

// seconds returns a number of nanoseconds in seconds.
func seconds(nanoseconds uint64) float64 { return float64(nanoseconds) / 1e9 }

// number returns 1 for true and 0 for false.
func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// stats adds the counters of one direction.
func (e *exposition) stats(direction string, s api.Stats) {
	count := func(what string, n api.Count, labels ...string) {
		labels = append([]string{direction}, labels...)
		e.add(what+"packets_total", float64(n.Packets), labels...)
		e.add(what+"bytes_total", float64(n.Bytes), labels...)
	}
	count("", s.Offered, "offered")
	count("", s.Relayed, "relayed")
	for reason, n := range s.Dropped {
		count("dropped_", n, reason)
	}
	for stage, n := range s.Stages {
		count("stage_dropped_", n, stage)
	}
	for what, n := range map[string]api.Count{"copied": s.Copied, "damaged": s.Damaged, "reordered": s.Reordered} {
		count("changed_", n, what)
	}
	for stage, n := range s.Marked {
		count("marked_", n, stage)
	}
	count("neighbour_", s.Neighbour)
	e.add("held_packets", float64(s.Held.Packets), direction)
	e.add("held_bytes", float64(s.Held.Bytes), direction)
	e.add("no_memory_packets_total", float64(s.NoMemory), direction)
	e.add("overrun_frames_total", float64(s.Overruns), direction)
}
