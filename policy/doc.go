// Package policy is the fault engine: it says of each packet whether it is
// relayed or dropped. It reads no clock, does no I/O, starts no goroutine and
// allocates nothing while it decides. Time and the packet's number come in as
// arguments, so a test can run a year in a second and every run can be repeated.
//
// A policy is text that a person types, a [Policy] is that text checked, and a
// [Program] is a policy compiled to flat integers that Go and eBPF execute
// alike:
//
//	p, err := policy.Parse("percent 99 time 1s 10ms")
//	prog := p.Compile(now, seed)
//	verdict := prog.Decide(now, number)
//
// # Policies
//
// A policy is pass, or a list of stages, each at most once, in any order:
//
//	pass          relay everything
//	percent N     relay N per cent of the packets
//	time ON OFF   relay for ON, drop for OFF, and so on
//
// A packet is dropped if any stage drops it. N is a decimal number from 0 to
// 100 with at most 6 decimals, and may end in %; 0 and 100 are exact. ON and
// OFF are durations such as 500ms, 1.5s or 1h30m, or whole numbers of jiffies
// of 10 ms; one of the two may be zero.
//
// Policies judge packets: a GSO super-frame of n segments is n packets with n
// numbers. [Program.Whole] says when one verdict serves them all.
//
// # Randomness
//
// A random decision is a hash of the seed, the stage and the packet's number.
// There is no stream that threads could race for or that a change could
// disturb: packet 1000 has its verdict however many others were asked about
// before, and in which order, and adding a stage does not move the verdicts of
// another. With the same seed, a higher percentage relays every packet that a
// lower one relays, and more. The hash is part of the interface. A seed written
// down with a failed test replays the same losses in every later version.
//
// # Adding a stage
//
// The smallest stage there could be, "every N", drops each Nth packet. It
// takes one file, every.go:
//
//	type every struct{ n uint64 } // 0 is absent
//
//	func (s *every) given() bool   { return s.n != 0 }
//	func (s *every) words() string { return strconv.FormatUint(s.n, 10) }
//
//	func (s *every) parse(args []string) error {
//		n, err := strconv.ParseUint(args[0], 10, 64)
//		if err != nil || n == 0 {
//			return &FieldError{"every", args[0], "must be a whole number above 0"}
//		}
//		s.n = n
//		return nil
//	}
//
//	func (s *every) compile(prog *Program, _ Time, _ uint64) { prog.EveryN = s.n }
//
//	func (p *Program) everyDrops(seq uint64) bool {
//		return p.EveryN != 0 && seq%p.EveryN == p.EveryN-1
//	}
//
// and one line in each of five places:
//
//  1. [Policy]: a field "every every".
//  2. stages in stage.go: a row {"every", "N", 3, &p.every}. The order of rows
//     is the order of the canonical text. The number must be new and never
//     changes, because the stage's random key is made of it.
//  3. [Program]: the fields "EveryN uint64", behind those that are there, such
//     that zero means absent.
//  4. [Program.Decide]: the condition, behind those that are there.
//  5. [Program.Whole]: whether packets of one instant may now differ. (Here
//     they may, so Whole is false unless EveryN is 0 or 1.)
//
// A stage that throws dice gives compile's key to draw and compares the result
// with a [Chance]; percent.go is the example. One that depends on the time
// counts from the epoch, as in time.go. Then come its tests: exact edges, rate
// against the exact binomial distribution, independence of the other stages,
// its bad inputs in the table of bad_test.go, its texts among the seeds of
// FuzzParse. And its twin in the eBPF program, which must agree on every packet.
//
// # What does not belong here
//
//   - Clocks and timers. Who calls Decide has read the clock, once for a batch.
//   - Memory of earlier packets. Decide changes nothing. A stage that needs
//     more than the time and the number gets it as another argument, so that
//     several queues and two data planes can still agree.
//   - Queues. A stage may one day say how long a packet is to be held; holding
//     it is the relay's work.
//   - Bytes. Nothing here sees a packet's contents; who wants to damage them
//     asks for a verdict and does it in package frame.
//   - Classification. Which traffic a policy applies to is a matter of routes:
//     what is not to be faulted is not sent through the device.
//   - Floating point. The kernel has none, and rounding is not portable.
//   - Interfaces and function values on the way of a packet. Parsing may use
//     them; Decide may not, so that C can follow it line by line.
package policy
