package main

import (
	"strings"

	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/match"
)

// policies are examples; what they mean is what the engine says of them.
var policies = []string{
	"percent 95",
	"percent 99 run 5",
	"gemodel 1 20",
	"every 10",
	"drop 1,5-7",
	"time 2s 500ms",
	"delay 40ms jitter 10ms",
	"rate 10mbit queue 50ms",
	"percent 99 delay 30ms rate 2mbit",
}

// numbers says how the arguments of stages are written.
var numbers = []item{
	{"N", say("a whole number, digits only")},
	{"P", say("per cent: a decimal number from 0 to 100 with up to six decimals, with % behind it or without: 80, 99.5, 0.000001%")},
	{"T", say("a duration: numbers with the units h, m, s, ms, us and ns, the larger units first: 500ms, 1.5s, 1h30m; a number without a unit counts jiffies of 10 ms")},
	{"R", say("a rate: a number with the unit bit, kbit, mbit, gbit or tbit, per second: 10mbit")},
	{"BYTES", say("a size: a number with the unit B, kB, MB or GB, powers of 1000: 1500B")},
	{"LIST", say("numbers and ranges between commas, without blanks: 1,5-7")},
}

// say is an explanation of one paragraph.
func say(text string) []block { return []block{{paragraph: text}} }

// sentence makes a sentence of a phrase.
func sentence(phrase string) string {
	return strings.ToUpper(phrase[:1]) + strings.TrimSuffix(phrase[1:], ".") + "."
}

// policyPage is about what can be written as a policy.
func policyPage() string {
	var p page
	p.begin("insane-policy", "7", "faults of a network device that loses packets as you wish")
	p.line(".Sh SYNOPSIS")
	p.line(".Nm insanely Ar SLAVE Oo Cm tx | rx | both Oc Cm pass")
	p.line(".Nm insanely Ar SLAVE Oo Cm tx | rx | both Oc Ar STAGE Oo Ar STAGE Oc ...")
	p.line(`.Nm insane Fl \-policy Ar POLICY Fl \-rx\-policy Ar POLICY`)
	p.line(".Sh DESCRIPTION")
	p.text("A policy says what becomes of the packets of one direction of a device, or of those that a rule of insane-rules(5) is for. "+
		"It judges each packet on the wire by itself, also inside the large buffers that Linux hands to a network card. "+
		"It is one line of words between blanks: pass, or stages, of which each is one fault.", nil)
	p.line(".Pp")
	p.text("Each stage can be there once, and in any order: they are carried out in the order below. "+
		"A packet that several stages would drop counts as dropped by the first of them. "+
		"A policy replaces the one before as a whole, and a bad one changes nothing. "+
		"The same seed loses the same packets.", nil)
	p.line(".Sh STAGES")
	values := make(map[string]bool)
	var list []item
	for _, f := range append(policy.Forms(), policy.Several()) {
		list = append(list, item{f.Usage, say(sentence(f.Summary))})
		for _, w := range capitals.FindAllString(f.Usage, -1) {
			values[w] = true
		}
	}
	p.list(list, values)
	p.line(".Sh NUMBERS")
	p.text("Numbers are read exactly or not at all; there is no sign and no exponent.", nil)
	p.list(numbers, nil)
	p.line(".Sh EXAMPLES")
	p.line(".Bl -tag -width Ds")
	for _, text := range policies {
		p.line(".It Li %s", quoted(text))
		if parsed, err := policy.Parse(text); err == nil { // a test holds that there is none
			p.text(sentence(parsed.Meaning()), nil)
		}
	}
	p.line(".El")
	return p.end("insane-policy", "7", "tc-netem 8")
}

// rules are an example of a file.
const rules = `# office.rules: the API is lossy, names are slow, all else is well
dns: udp port 53 both delay 200ms jitter 50ms
api: tcp host 10.1.2.3 port 443 tx percent 95 rx percent 99 delay 30ms
big: greater 1400 tx percent 0    # a black hole for large packets`

// rulesPage is about files of rules.
func rulesPage() string {
	var p page
	p.begin("insane-rules", "5", "which packets of a network device have a policy of their own")
	p.line(".Sh SYNOPSIS")
	p.line(`.Nm insanely Cm rules load Ar FILE`)
	p.line(`.Nm insane Fl \-rules Ar FILE`)
	p.line(".Sh DESCRIPTION")
	p.text("A file of rules says which packets of a device have a policy of their own. "+
		"The first rule that looks at a direction and whose match a packet fits judges the packet, so the order of the rules matters. "+
		"The policy of the direction judges the packets that fit none.", nil)
	p.line(".Pp")
	p.text("Each line has one rule:", nil)
	p.line(".Pp")
	p.line(".D1 Ar NAME : Ar MATCH Cm tx | rx | both Ar POLICY ...")
	p.line(".Pp")
	p.text("A # and what follows it is a comment; lines without a rule are allowed. "+
		"tx is what the host sends through the device, and rx what it receives through it; behind a policy another direction with its policy may follow. "+
		"insane-policy(7) has the policies. "+
		"insanely(8) reads a file as a whole, and changes everything at once or nothing.", nil)
	p.line(".Sh MATCH")
	p.text("All parts of a match must fit a packet. src and dst look at one side only.", nil)
	values := map[string]bool{}
	var list []item
	for _, f := range match.Forms() {
		list = append(list, item{f.Usage, say(sentence(f.Summary))})
		for _, w := range capitals.FindAllString(f.Usage, -1) {
			values[w] = true
		}
	}
	p.list(list, values)
	p.line(".Sh FILES")
	p.text("The file is read where the command runs, and may have any name; - is standard input.", nil)
	p.line(".Sh EXAMPLES")
	p.code(strings.Split(rules, "\n")...)
	return p.end("insane-rules", "5", "pcap-filter 7")
}
