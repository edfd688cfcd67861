package bench

import (
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// held are policies that make packets wait, and one that does not.
var held = []string{"pass", "delay 1ms", "delay 20ms", "delay 100ms", "rate 1gbit", "rate 5gbit delay 20ms"}

// BenchmarkHeldTCP sends one stream of TCP through policies that make packets wait, beside the
// bare cable.
func BenchmarkHeldTCP(b *testing.B) { eachHeld(b, benchTCP) }

// BenchmarkHeldPackets sends 64-byte packets as fast as one sender can through the same.
func BenchmarkHeldPackets(b *testing.B) {
	eachHeld(b, func(b *testing.B, sender, receiver benchEnd) { benchPackets(b, sender, receiver) })
}

func eachHeld(b *testing.B, run func(b *testing.B, sender, receiver benchEnd)) {
	direct := &benchWay{Lab: labtest.New(b), name: "direct"}
	direct.widen(b)
	direct.meet(b)
	b.Run("policy=none", func(b *testing.B) {
		near, far := direct.ends()
		run(b, near, far)
	})
	w := newDeviceWay(b, "relay", api.PathRelay, api.ReceiveAuto)
	w.widen(b)
	w.meet(b)
	for _, policy := range held {
		w.fault(b, w.Borea, policy)
		b.Run("policy="+policy, func(b *testing.B) {
			near, far := w.ends()
			run(b, near, far)
			late := labtest.Info(b, w.daemon).TX.Late
			b.ReportMetric(float64(late.P50)/1000, "late-p50-us")
			b.ReportMetric(float64(late.P99)/1000, "late-p99-us")
		})
	}
	w.fault(b, w.Borea, "pass")
	w.check(b)
}

// widen lets TCP have as much under way as a fast link with a long delay holds.
func (w *benchWay) widen(b *testing.B) {
	b.Helper()
	const buffers = "4096 131072 268435456" // bytes: least, first, most
	for _, h := range []*lab.Host{w.Borea, w.Morgana} {
		labtest.Run(b, h, "sysctl", "-qw", "net.ipv4.tcp_wmem="+buffers, "net.ipv4.tcp_rmem="+buffers)
	}
}
