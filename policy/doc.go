// Package policy is the fault engine: for each packet it decides whether the packet is
// relayed or which stage drops it, how often and how much later it comes, and which bits of
// it are flipped. It reads no clock, does no I/O, starts no goroutine and
// allocates nothing while it decides. The time and the packet's number are arguments, so a
// test can run through a year in a second, and every run can be repeated.
//
// A policy is text that a user types. A [Policy] is that text after it was checked. A
// [Program] is a policy compiled to integers, which Go and eBPF execute in the same way:
//
//	p, err := policy.Parse("percent 99 time 1s 10ms")
//	prog := p.Compile(now, seed)
//	verdict := prog.Decide(now, number)
//
// # Files
//
//	policy.go      text to Policy and back, Policy to Program
//	cursor.go      the words of a text, as the stages read them
//	limits.go      the ranges of arguments
//	stages.go      all stages: Policy, their numbers, their table
//	program.go     Program, and what it decides: Decide, Copy, Uniform, Holds
//	stage.go       what a stage is, and sets of stages
//	verdict.go     Time and Verdict
//	draw.go        random draws, and the seeds that are made of one seed
//	correlation.go draws that resemble the draw before
//	chain.go       losses with memory: chains of states as a function of the packet's number
//	memo.go        states of chains that were found
//	rule.go        Rule: a name, a match, and a policy for one direction or both
//	rules.go       Rules: the ordered list, and how it is edited
//	rulesfile.go   text to Rules and back
//	why.go         what a verdict depends on, in words
//	words.go       policies in words: for help, completion, sentences and tables
//	error.go       FieldError, which refuses a text
//
// Each stage has its own file; the section Stages lists them. Package unit has the types of
// the values in a text, package dist the distributions of random delays, package match finds
// the rule that a packet belongs to.
//
// # Policies
//
// A policy is pass, which relays everything, or a list of stages, each at most
// once, in any order. They are carried out in canonical order, which is the order of the
// table in stages.go. A packet is dropped if any stage drops it, and counts as dropped by the
// first of them in that order.
//
// Policies judge packets: a GSO super-frame of n segments is n packets with n numbers.
// [Program.Uniform] reports when one verdict is valid for all of them.
//
// # The way of a packet
//
// Losses come first: percent, gemodel, state, every, exactly, drop, time. What they say depends
// on nothing but the number and the time, so the kernel can carry them out, and what a full
// queue drops later has had its number and its draws, so that no other verdict moves. Then ecn, which turns losses into marks; duplicate and corrupt, which
// make copies and flip bits, in each copy by itself; rate and queue, the link, on which each
// packet takes its own time; delay, the cable behind the link; reorder; and slot, which
// opens the wire now and then.
//
// A [Verdict] is what can be said of a packet by itself. The link, its queue, the order and
// the openings depend on the packets before. They are the work of the line that holds the
// packets. It finds their parameters in the fields of [Program], and asks for what is
// random or needs exact arithmetic: [Program.LinkTime], [Program.SlotLength],
// [Program.Flip], [Program.MaxDelay].
//
// Two verdicts depend on the packet's bytes, which nobody has here: a Mark is a loss for a
// packet that is not ECN-capable ([Verdict.Settle]), and only so many bits can be flipped as
// there are.
//
// # Delays
//
// A delay keeps the order unless the policy says "reordering". If each packet drew its own
// delay and then waited for those before it, the mean would grow with the rate of packets:
// 20 ms with a standard deviation of 5 ms becomes 29 ms at 10,000 packets per second. So one
// draw is valid for a slice of time, ten times the jitter, unless the policy says "each".
// With "reordering" or "correlation", each packet has its draw.
//
// The spread J is the half width of the uniform distribution, as in tc, and the standard
// deviation of the others. A delay is never negative: a uniform jitter above the delay is
// refused; what the others have below zero becomes zero, and Meaning shows the real mean.
// The Pareto distribution has the exponent 3, as in tc, but the standard deviation that was
// asked for, and it ends at about 19 J above the mean: without an end, the standard deviation
// of a thousand packets says nothing about that of the next thousand.
//
// A correlation P keeps the draw of the packet before with the probability P. The draws keep
// their distribution, unlike the weighted mean of tc.
//
// # Losses in a row
//
// Chains of states make losses come in a row: percent … run, gemodel, state. A chain goes from
// state to state, but nothing here has a state: that of a packet is found by looking back at
// the draws of the packets before, until they leave no doubt (chain.go). So the chain is in
// its stationary distribution from the first packet on, its share of losses is exactly the
// one asked for, and a packet's verdict does not depend on who was asked before. The chances
// are rounded to 2⁻³², so that the share is off by at most the run's length times 2⁻³².
//
// A chain must forget its past, or the look back has no end. Therefore P and R of gemodel are
// at least 0.1 % together, runs are at most 1000/(1−P) long for a share P of losses, and the
// state chains that remember more than a thousand packets are refused. A [Memo] beside the
// program spares the look back; it has facts only, and belongs to one program.
//
// # Randomness
//
// A random decision is a hash of the seed, the stage and the packet's number. There is no
// random stream whose position could depend on threads or on a change. The verdict of
// packet 1000 does not depend on which packets were judged before it, and a new stage does
// not change the verdicts of another. With the same seed, a higher percentage relays every
// packet that a lower one relays, and more. The hash is part of the interface: a seed that
// was recorded with a failed test gives the same losses in every later version.
// testdata/traces.txt checks this, here and in the kernel, and testdata/held.txt for the
// stages that only the relay carries out.
//
// Several draws of a stage have several keys ([subkey]), and so have copies ([copyKey]): they
// take no numbers. A slice of time or a slot has its index in the place of the number.
//
// # Rules
//
// A rule is a name, a match, and a policy for one direction or for each. The first rule of the
// list whose match a packet fits judges it; the direction's own policy is the last one, which
// all packets fit. [Rules] are checked text. Who carries them out finds the rule of a packet by
// the packet's [match.Key] and its length, with a [match.Index].
//
// The keys of draws are a tree: device, direction, rule, stage. A rule has the seed
// [RuleSeed] makes of the direction's seed and of its name, so to add, move or change a rule
// moves no draw of another. The direction's own policy has the seed of the direction itself, as
// if there were no rules. A rule keeps its epoch while its policy stays the same, so neither
// do phases in time move. Numbers are for each rule: a rule counts the packets that it judges,
// so "every" does not depend on other traffic.
//
// # Adding a stage
//
// A stage is one new file and a few lines of stages.go, and lines of decide.h if the kernel
// should also carry it out. Everything else is derived from the table: help, completion,
// the sentences of insanely, counters, JSON and metrics.
//
// The file has the settings: a comparable struct whose zero value means that the stage is
// absent, with the methods of the interface stage (stage.go). It also has the function that
// decides, a method of Program that follows no pointer. percent.go is an example of a
// random stage: it passes compile's key to draw and compares the result with a [Chance].
// time.go is an example of a stage that depends on the time: it counts from the epoch.
// parse takes from the cursor the words that the stage understands, including optional and
// named arguments (cursor.go). Numbers are values of package unit; they print the text that
// they parse.
//
// The lines of stages.go, here those of the stage "every N" of number 3:
//
//  1. [Policy]: a field "every every".
//  2. The number: "ByEvery Stage = 3". It must be new, below StageNumbers, and never changes, because
//     verdicts, counters and the stage's random key are made of it.
//  3. table: a row. The order of rows is the order of the canonical text and of the
//     effects: packets are lost first by what depends on nothing but their number,
//     and last by the clock.
//
// and of program.go:
//
//  4. [Program]: its fields, 64-bit integers, such that zero means absent; behind
//     those that are there, as the kernel knows the program up to some field.
//  5. [Program.Decide]: the condition, in the order of the table. A stage that does
//     something else than drop has its part of the verdict, and is in beyondLoss.
//  6. [Program.Uniform]: whether packets of one instant may now differ.
//
// A stage that makes no sense without another one has the method lacks; one that asks for
// something that can be measured beside losses has the method ask (stage.go).
//
// The new file also gets a line in the list under Stages.
//
// A stage that only loses packets is in Losses (stages.go), so that the relay asks for no more.
//
// If decide.h does not know a stage, the relay carries the policy out and the device shows
// the reason: a program says which stages it has ([Stages]), and the compiled object says
// which stages it knows. To add the stage to decide.h, add its bit to knows, its number,
// the fields in the same place and the function under the same name; "make generate"
// compiles it.
//
// Then come the tests: exact edges, the rate or the distribution against the closed form,
// independence of the other stages, bad inputs in the table of bad_test.go, texts among the
// seeds of FuzzParse, traces in testdata, and the fields in the random programs
// of the test of decide.h. "go test ./policy -run README -update" writes the table of
// README.md.
//
// # What does not belong here
//
//   - Clocks and timers. The caller of Decide has read the clock, once for a batch.
//   - Memory of earlier packets. Decide changes nothing but a [Memo], which
//     changes no verdict. A stage that needs more than the time and the number
//     gets it as another argument, so that several queues and two data planes
//     can still agree.
//   - Frames. Nothing here sees a packet's bytes. Which header fields a packet has, how it
//     waits and how its bytes are changed is the work of other packages, which ask for a
//     rule and a verdict here.
//   - Floating point. The kernel has none, and rounding is not portable.
//   - Interfaces and function values on the way of a packet. Parsing may use
//     them; Decide may not, so that C can follow it line by line.
package policy
