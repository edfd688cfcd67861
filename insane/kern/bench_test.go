package kern

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/match"
)

// BenchmarkDecision measures the cost of the fast path for one frame of tx, and that of
// a program that does nothing. Both include the cost of running any program.
func BenchmarkDecision(b *testing.B) {
	plain := sample{family: 4, protocol: unix.IPPROTO_UDP, payload: 22}
	super := sample{family: 4, protocol: unix.IPPROTO_TCP, options: 12, payload: 45 * 60, size: 60}
	for _, c := range []struct {
		what   string
		policy string // "": the direction is closed
		sample sample
	}{
		{"undecided", "", plain},
		{"pass", "pass", plain},
		{"percent", "percent 80", plain},
		{"time", "time 3h 3h", plain},
		{"every", "every 5", plain},
		{"both", "percent 80 time 3h 3h", plain},
		{"drop", "percent 0", plain},
		{"run-5", "percent 99 run 5", plain},
		{"run-100", "percent 99 run 100", plain},
		{"gemodel", "gemodel 1 10 50", plain},
		{"state", "state 1 10 20 30 0.2", plain},
		{"exactly", "exactly 1 of 10", plain},
		{"exactly-997", "exactly 1 of 997", plain},
		{"list", "drop 1,5-7", plain},
		{"pass-45-packets", "pass", super},
		{"percent-45-packets", "percent 99.999999", super}, // every packet is decided
		{"percent-45-undecided", "percent 80", super},
	} {
		b.Run(c.what, func(b *testing.B) {
			r := newCarrier(b, (*Objects).TX)
			if c.policy != "" {
				r.open(c.policy, now()-policy.Time(1))
			}
			repeat(b, r.bpf.TransmitTcx, r.options(c.sample, c.sample.build(0)))
		})
	}
	b.Run("nothing", func(b *testing.B) {
		r := newCarrier(b, (*Objects).TX)
		repeat(b, newVerdict(b, -1), r.options(plain, plain.build(0)))
	})
}

// BenchmarkRules measures the same for a frame that fits the last of so many rules: all of one shape,
// or each of another one.
func BenchmarkRules(b *testing.B) {
	plain := sample{family: 4, protocol: unix.IPPROTO_UDP, payload: 22}
	for _, c := range []struct {
		what   string
		rules  int
		others func(i int) string
	}{
		{"none", 0, nil},
		{"1", 1, nil},
		{"65534", match.MaxRules, func(i int) string { return fmt.Sprintf("dst host 10.%d.%d.%d", 64+i>>16, i>>8&255, i&255) }},
		{"32-shapes", 32, func(i int) string { return fmt.Sprintf("dst net 128.0.0.0/%d", 1+i) }},
	} {
		b.Run(c.what, func(b *testing.B) {
			r := newCarrier(b, (*Objects).TX)
			var list []match.Match
			for i := range c.rules {
				text := "dst host " + mate4
				if i < c.rules-1 {
					text = c.others(i)
				}
				m, err := match.Parse(strings.Fields(text))
				must(b, err)
				list = append(list, m)
			}
			var rules Rules
			if c.rules > 0 {
				rules = Rules{Version: 1, Index: match.NewIndex(list)}
			}
			must(b, r.direction.OpenRules(policy.Program{}, r.to, "own", rules))
			if c.rules > 0 {
				n, _ := r.direction.TakeNumbering()
				if _, told := r.direction.Carry(Carried{Version: 1, Place: c.rules - 1, Numbering: n, Owner: "rule", Account: new(Account)}, NoSlot); !told {
					b.Fatal("the kernel was not told of the rule")
				}
			}
			repeat(b, r.bpf.TransmitTcx, r.options(plain, plain.build(0)))
		})
	}
}

// BenchmarkReceive measures the cost of the receive filter for a frame of the slave, for a
// frame of the device that goes to the relay, and for one that the fast path decides.
func BenchmarkReceive(b *testing.B) {
	for _, c := range []struct {
		what, to string
		carried  bool
	}{
		{"slave", host4, false},
		{"relay", own4, false},
		{"percent", own4, true},
	} {
		b.Run(c.what, func(b *testing.B) {
			r := newCarrier(b, (*Objects).RX)
			_, err := r.direction.Register(r.index)
			must(b, err)
			if c.carried {
				r.open("percent 80", 0)
			}
			body := udp4(plain4, c.to)
			header := append(append(r.mac[:6:6], number(0)...), 8, 0)
			data := append(append(header[:14:14], header...), append(body, make([]byte, 20)...)...)
			repeat(b, r.bpf.ReceiveAuto, &ebpf.RunOptions{Data: data, Context: r.context()})
		})
	}
}

// repeat runs a program b.N times. It reports CPU time of the thread, which other
// processes disturb less than the time of the clock.
func repeat(b *testing.B, p *ebpf.Program, o *ebpf.RunOptions) {
	b.Helper()
	b.ResetTimer()
	began := threadTime()
	o.Repeat = uint32(b.N)
	_, err := p.Run(o)
	must(b, err)
	b.ReportMetric(float64(threadTime()-began)/float64(b.N), "ns/op")
}

// threadTime is the time that the thread has been running, in nanoseconds.
func threadTime() int64 {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return ts.Nano()
}

// BenchmarkRecall measures the cost of the program at the slave's egress: while nothing is
// routed through the device, for a host that is not, and for a routed host, whose flow is
// remembered. It also measures what the memory costs the fast path of tx, for a routed host.
func BenchmarkRecall(b *testing.B) {
	for _, c := range []struct {
		what, to string
		claims   Claims
		through  bool
	}{
		{"idle", plain4, nil, false},
		{"bystander", plain4, hostClaims, false},
		{"past", routed4, hostClaims, false},
		{"relay", routed4, hostClaims, true},
	} {
		b.Run(c.what, func(b *testing.B) {
			r := newRecaller(b, c.claims)
			header := append(append(r.mac[:6:6], number(0)...), 8, 0)
			program, data := r.bpf.TransmitPast, append(header[:14:14], tcp4(host4, c.to, 4000, 80)...)
			if c.through {
				program, data = r.bpf.TransmitRelay, append(append(header[:14:14], header...), tcp4(host4, c.to, 4000, 80)...)
			}
			repeat(b, program, &ebpf.RunOptions{Data: data, Context: r.context()})
		})
	}
}
