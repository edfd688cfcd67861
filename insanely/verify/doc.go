// Package verify compares what a device does with what it was asked to do, while traffic goes through
// it anyway. It is the command insanely verify.
//
//	report, err := verify.Run(ctx, client, 30*time.Second)
//
// A witness with sockets and programs of its own (package witness) sees the packets in front of the
// device and behind it, and takes super-frames apart (package packet). What came out is paired with
// what went in by its bytes. For each rule, the packets in the order in which they went in, each with
// what became of it, are a trace, and the policy of the rule is compared with the trace by tests
// (package stat). The device's counters are compared with what the witness counted.
//
// Nothing of the device's own code decides anything here: not its parser of frames, not its compiled
// programs, and of its counters only what nobody else can know: how many packets the queue of a link
// has lost, and how many packets a policy had judged before. Policies are read from their text. What
// rules are for is found by package match, and distributions of delays are those of package dist: both
// say what words mean, and have tests of their own against formulas.
//
// # Verdicts
//
// Each line is one thing that was asked for. It differs if what was seen has a chance of at most
// 1 of 100,000 in a device that does as it was asked; where the law leaves nothing to chance, if one
// packet differs. A line has too few packets if an error of 2 % might go unseen. That means 2 % of the
// larger of the two shares that a stage divides packets into (percent 93.1 instead of 95), of a mean
// delay, of a rate. Of mean runs it means 10 %, as runs are so different that 2 % would take hours.
// Too few is no failure: what differs grossly is found with few packets as well.
//
// Packets leave late if the machine is busy, which is no fault of a policy. So a delay differs if one
// packet was early, or if none was in time, and a mean delay may be a millisecond too long.
//
// # What is not judged
//
// The jitter of packets that wait for those before them, or whose policy has a rate, a reorder or
// copies beside the delay; a rate beside such stages; slot; several stages that lose packets one by
// one (their sum is judged), with time or drop among them (they are not). With receive auto, packets
// to groups. Super-frames of tunnels, which nobody here takes apart.
//
// Two packets whose bytes are the same cannot be told apart. They count where only numbers matter,
// and are left out where it matters which one was lost, or how long it took.
//
// If the policies or rules change meanwhile, or the witness missed frames, Run says so in its error,
// and judges nothing. At most 4 million packets are kept at each end. Of large super-frames of TCP only
// the headers are read, so that the witness keeps up with some Gbit/s; damage behind them is seen by the
// checksum of the packet that comes out.
//
// # Files
//
//	run.go        Run: the course of a run; changes of the device meanwhile
//	sighting.go   the packets that were seen, and the rule of each
//	pair.go       what came out, paired with what went in
//	belongs.go    which of the packets that arrive at the slave are the device's
//	verify.go     the traces of all rules, judged
//	counters.go   the device's counters; what has changed between two looks
//	asked.go      a policy as numbers
//	judge.go      Judge: one policy and one trace; lines and verdicts
//	loss.go       losses by chance
//	counted.go    losses that are counted or go by the clock; several stages that lose packets
//	change.go     copies, damage, marks
//	link.go       the rate of a link, and its queue
//	held.go       delays, jitter, order
//	report.go     Report, and its table
//	text.go       numbers in words
package verify
