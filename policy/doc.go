// Package policy is the fault engine: it says of each packet whether it is
// relayed, or which stage drops it. It reads no clock, does no I/O, starts no
// goroutine and allocates nothing while it decides. Time and the packet's number
// come in as arguments, so a test can run a year in a second and every run can be
// repeated.
//
// A policy is text that a person types, a [Policy] is that text checked, and a
// [Program] is a policy compiled to flat integers that Go and eBPF execute
// alike:
//
//	p, err := policy.Parse("percent 99 time 1s 10ms")
//	prog := p.Compile(now, seed)
//	verdict := prog.Decide(now, number)
//
// # Files
//
//	policy.go   text to Policy and back, Policy to Program
//	cursor.go   the words of a text, as the stages read them
//	stages.go   all stages: Policy, their numbers, their table, Program, Decide, Whole
//	stage.go    what a stage is, and sets of stages
//	verdict.go  Time and Verdict
//	draw.go     random draws, and the seeds that are made of one seed
//	words.go    policies in words: for help, completion, sentences and tables
//	error.go    FieldError, which refuses a text
//
// Each stage has a file of its own; they are listed below, under Stages. Package unit
// has the values that a text is made of.
//
// # Policies
//
// A policy is pass, which relays everything, or a list of stages, each at most
// once, in any order. A packet is dropped if any stage drops it, and counts as dropped
// by the first of them in canonical order, which is the order of the table in
// stages.go.
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
// down with a failed test replays the same losses in every later version;
// testdata/traces.txt holds it to that, here and in the kernel.
//
// # Adding a stage
//
// A stage is one new file and a few lines of stages.go; and lines of decide.h if
// the kernel is to carry it out, too. All else follows by itself: help, completion,
// the sentences of insanely, counters, JSON and metrics are made of the list.
//
// The file has the settings, a comparable struct whose zero value is absent, with
// the methods of the interface stage (stage.go), and the function that decides,
// a method of Program without a pointer to follow. every.go is the shortest example:
// it goes by the packet's number alone. percent.go is the example of a stage with
// random draws: it gives compile's key to draw and compares the result with a
// [Chance]. time.go is the example of one that depends on the time: it counts from
// the epoch. parse takes from the cursor what the stage understands,
// optional and named arguments as well (cursor.go). Numbers are values of package
// unit, which print what they read.
//
// The lines of stages.go, here those of the stage "every N" of number 3:
//
//  1. [Policy]: a field "every every".
//  2. The number: "byEvery Verdict = 3". It must be new and never changes, because
//     verdicts, counters and the stage's random key are made of it.
//  3. table: a row. The order of rows is the order of the canonical text and of the
//     effects: packets are lost first by what depends on nothing but their number,
//     and last by the clock.
//  4. [Program]: its fields, 64-bit integers, such that zero means absent; behind
//     those that are there, as the kernel knows the program up to some field.
//  5. [Program.Decide]: the condition, in the order of the table.
//  6. [Program.Whole]: whether packets of one instant may now differ.
//
// And its file gets a line in the list of stages, in the comment of stages.go.
//
// A stage that decide.h does not know is the relay's, and the reason is shown: a
// program says which stages it has ([Stages]), the compiled object says which it
// knows. To teach it, decide.h gets the stage's bit in knows, its number, the
// fields in the same place and the function under the same name, and
// "make generate" compiles it.
//
// Then come its tests: exact edges, rate against the exact binomial distribution,
// independence of the other stages, its bad inputs in the table of bad_test.go,
// its texts among the seeds of FuzzParse, traces in testdata/traces.txt, and its
// fields in the random programs of the test of decide.h. "go test ./policy -run
// README -update" writes the table of README.md.
//
// # What does not belong here
//
//   - Clocks and timers. The caller of Decide has read the clock, once for a batch.
//   - Memory of earlier packets. Decide changes nothing. A stage that needs
//     more than the time and the number gets it as another argument, so that
//     several queues and two data planes can still agree.
//   - Frames. Nothing here sees a packet's bytes. Which packets a policy applies to,
//     how a packet waits and how its bytes are changed is the work of other packages,
//     which ask for a verdict here.
//   - Floating point. The kernel has none, and rounding is not portable.
//   - Interfaces and function values on the way of a packet. Parsing may use
//     them; Decide may not, so that C can follow it line by line.
package policy
