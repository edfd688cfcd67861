package control

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// collector shows the state of a device to Prometheus. It has no state of its own.
type collector struct {
	device Device

	info, carrier, mtu, seed, logLost   *prometheus.Desc
	packets, bytes, dropped, droppedLen *prometheus.Desc
	stages, stagesLen                   *prometheus.Desc
	neighbours, neighboursLen           *prometheus.Desc
	overruns, verdicts, fastPath        *prometheus.Desc
	warning, seedText                   *prometheus.Desc
	held, heldLen, done, doneLen        *prometheus.Desc
	marked, markedLen, noMemory         *prometheus.Desc
	late, drawn, rate                   *prometheus.Desc
	rules, rulesLeft, rulePackets       *prometheus.Desc
}

func newRegistry(d Device) *prometheus.Registry {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("insane_"+name, help, append([]string{"device"}, labels...), nil)
	}
	r := prometheus.NewRegistry()
	r.MustRegister(&collector{
		device:        d,
		info:          desc("info", "What the device is; always 1.", "slave", "slave_state", "receive", "path", "tx", "rx"),
		carrier:       desc("carrier", "1 if the interface has carrier."),
		mtu:           desc("mtu_bytes", "MTU of the interface."),
		seed:          desc("seed", "Seed of every draw, rounded to what a floating point number can be."),
		seedText:      desc("seed_info", "Seed of every draw, exactly; always 1.", "seed"),
		warning:       desc("warning", "1 if something is wrong although the device works, by kind.", "kind"),
		logLost:       desc("log_dropped_lines_total", "Lines of the daemon's log that were lost."),
		packets:       desc("packets_total", "Wire packets offered to the device and relayed by it, on either path.", "direction", "what"),
		bytes:         desc("bytes_total", "Ethernet bytes of the packets offered and relayed.", "direction", "what"),
		dropped:       desc("dropped_packets_total", "Wire packets dropped, by reason.", "direction", "reason"),
		droppedLen:    desc("dropped_bytes_total", "Ethernet bytes of the packets dropped, by reason.", "direction", "reason"),
		stages:        desc("stage_dropped_packets_total", "Wire packets dropped by the policy, by stage.", "direction", "stage"),
		stagesLen:     desc("stage_dropped_bytes_total", "Ethernet bytes of the packets dropped by the policy, by stage.", "direction", "stage"),
		neighbours:    desc("neighbour_packets_total", "Messages of ARP, neighbour discovery, IGMP and MLD relayed without a verdict.", "direction"),
		neighboursLen: desc("neighbour_bytes_total", "Ethernet bytes of these messages.", "direction"),
		overruns:      desc("overrun_frames_total", "Frames that the kernel lost in front of the relay.", "direction"),
		fastPath:      desc("fast_path", "1 if the kernel carries what it can, 0 if the relay carries everything.", "direction"),
		held:          desc("held_packets", "Wire packets that wait now, because the policy says so.", "direction"),
		heldLen:       desc("held_bytes", "Ethernet bytes of these packets.", "direction"),
		done:          desc("changed_packets_total", "Wire packets copied, damaged and reordered.", "direction", "what"),
		doneLen:       desc("changed_bytes_total", "Ethernet bytes of these packets.", "direction", "what"),
		marked:        desc("marked_packets_total", "Wire packets with a congestion mark of the device, by stage.", "direction", "stage"),
		markedLen:     desc("marked_bytes_total", "Ethernet bytes of these packets.", "direction", "stage"),
		noMemory:      desc("no_memory_packets_total", "Wire packets lost because too much waited already.", "direction"),
		late:          desc("late_seconds", "How much later than they were to packets left that were held, since the policy was set.", "direction"),
		drawn:         desc("drawn_delay_seconds", "Mean and standard deviation of the delays drawn since the policy was set.", "direction", "what"),
		rate:          desc("relayed_bits", "Bits relayed in the last whole second, by the relay.", "direction"),
		rules:         desc("rules", "Rules of the device."),
		rulesLeft:     desc("rules_left_out", "Rules that have no metrics of their own, because they come behind the first ones."),
		rulePackets:   desc("rule_packets_total", "Wire packets that a rule judged, and what became of them.", "direction", "rule", "what"),
		verdicts:      desc("verdicts", "Packets judged since the present policy was set.", "direction", "verdict"),
	})
	return r
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.info, c.carrier, c.mtu, c.seed, c.seedText, c.warning, c.logLost,
		c.packets, c.bytes,
		c.dropped, c.droppedLen, c.stages, c.stagesLen, c.neighbours, c.neighboursLen,
		c.held, c.heldLen, c.done, c.doneLen, c.marked, c.markedLen, c.noMemory, c.late, c.drawn, c.rate,
		c.overruns, c.verdicts, c.fastPath, c.rules, c.rulesLeft, c.rulePackets} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	i := c.device.State()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{i.Name}, labels...)...)
	}
	gauge(c.info, 1, i.Slave, i.SlaveState, i.Receive, i.Path, i.TX.Policy, i.RX.Policy)
	gauge(c.mtu, float64(i.MTU))
	gauge(c.seed, float64(i.Seed))
	gauge(c.seedText, 1, strconv.FormatUint(i.Seed, 10))
	ch <- prometheus.MustNewConstMetric(c.logLost, prometheus.CounterValue, float64(i.LogDropped), i.Name)
	gauge(c.carrier, number(i.Carrier))
	for _, kind := range api.WarningKinds() {
		gauge(c.warning, number(i.Warns(kind)), kind)
	}
	for name, d := range map[string]api.Direction{"tx": i.TX, "rx": i.RX} {
		gauge(c.verdicts, float64(d.Verdicts.Relay), name, "relay")
		gauge(c.verdicts, float64(d.Verdicts.Drop), name, "drop")
		gauge(c.fastPath, number(d.Path == api.PathKernel), name)
		gauge(c.held, float64(d.Stats.Held.Packets), name)
		gauge(c.heldLen, float64(d.Stats.Held.Bytes), name)
		gauge(c.drawn, seconds(d.Did.Delay.Mean), name, "mean")
		gauge(c.drawn, seconds(d.Did.Delay.Spread), name, "spread")
		gauge(c.rate, float64(d.Did.Rate), name)
		ch <- prometheus.MustNewConstSummary(c.late, d.Late.Packets, seconds(d.Late.Sum),
			map[float64]float64{0.5: seconds(d.Late.P50), 0.99: seconds(d.Late.P99), 1: seconds(d.Late.Worst)}, i.Name, name)
		c.collectStats(ch, i.Name, name, d.Stats)
	}
	c.collectRules(ch, i.Name)
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

func (c *collector) collectStats(ch chan<- prometheus.Metric, device, direction string, s api.Stats) {
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v),
			append([]string{device, direction}, labels...)...)
	}
	count(c.packets, s.Offered.Packets, "offered")
	count(c.packets, s.Relayed.Packets, "relayed")
	count(c.bytes, s.Offered.Bytes, "offered")
	count(c.bytes, s.Relayed.Bytes, "relayed")
	for reason, n := range s.Dropped {
		count(c.dropped, n.Packets, reason)
		count(c.droppedLen, n.Bytes, reason)
	}
	for stage, n := range s.Stages {
		count(c.stages, n.Packets, stage)
		count(c.stagesLen, n.Bytes, stage)
	}
	for what, n := range map[string]api.Count{"copied": s.Copied, "damaged": s.Damaged, "reordered": s.Reordered} {
		count(c.done, n.Packets, what)
		count(c.doneLen, n.Bytes, what)
	}
	for stage, n := range s.Marked {
		count(c.marked, n.Packets, stage)
		count(c.markedLen, n.Bytes, stage)
	}
	count(c.noMemory, s.NoMemory)
	count(c.neighbours, s.Neighbour.Packets)
	count(c.neighboursLen, s.Neighbour.Bytes)
	count(c.overruns, s.Overruns)
}
