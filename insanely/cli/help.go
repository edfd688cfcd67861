package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/match"
)

// helpWidth is how wide a line of the manual may be, in characters.
const helpWidth = 80

// help is the manual, with all forms of a policy and of a match. It is a template of
// urfave/cli, so it must not contain pairs of braces.
var help = fmt.Sprintf(manual, policyHelp(), matchHelp())

// matchHelp lists how the parts of a match are written.
func matchHelp() string {
	var usages []string
	for _, form := range match.Forms() {
		usages = append(usages, strings.ReplaceAll(form.Usage, " ", noBreak))
	}
	return strings.ReplaceAll(broken("  ", 2, strings.Join(usages, ", ")), noBreak, " ")
}

// noBreak stands for a blank at which a line is not broken.
const noBreak = "_"

// policyHelp explains each form of a policy, in two columns.
func policyHelp() string {
	var text strings.Builder
	for _, form := range append(policy.Forms(), policy.Several()) {
		text.WriteString(explained(form.Usage, form.Summary))
	}
	return text.String()
}

// explained returns a word and its meaning, broken into lines.
func explained(word, meaning string) string {
	const indent = 18
	if len(word) <= indent-4 {
		return broken(fmt.Sprintf("  %-*s", indent-2, word), indent, meaning)
	}
	// It is too long for its column.
	return broken("  ", 6, word) + broken(strings.Repeat(" ", indent), indent, meaning)
}

// broken returns the words of a text behind what its first line begins with, broken into
// lines. The other lines are indented.
func broken(line string, indent int, words string) string {
	var text strings.Builder
	for i, w := range strings.Fields(words) {
		switch {
		case i > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) > helpWidth:
			text.WriteString(line + "\n")
			line = strings.Repeat(" ", indent)
		case i > 0:
			line += " "
		}
		line += w
	}
	return text.String() + line + "\n"
}

// manual is the rest of help, as a format. A test checks its examples.
const manual = `insanely - control a fault-injecting network device

  insanely [FLAG...]                         show the device
  insanely [FLAG...] SLAVE                   attach the slave
  insanely [FLAG...] SLAVE [tx|rx|both] POLICY
                                             attach it and set the policy
  insanely [FLAG...] --receive MODE          set the receive mode; with a slave
                                             and a policy, all at once
  insanely [FLAG...] stats                   show the counters
  insanely [FLAG...] watch                   show the counters as they move
  insanely [FLAG...] verify                  compare what is asked with what an
                                             independent witness sees
  insanely [FLAG...] rule                    show the rules with their counters
  insanely [FLAG...] rule add NAME [before NAME] MATCH tx|rx|both POLICY...
                                             add a rule, at the end or before
  insanely [FLAG...] rule set NAME tx|rx|both POLICY...
                                             change its policy
  insanely [FLAG...] rule del NAME           delete it
  insanely [FLAG...] rules load FILE         replace all rules; - is stdin
  insanely [FLAG...] rules save              print them as such a file
  insanely [FLAG...] confirm                 keep what waits for a confirmation
  insanely [FLAG...] log                     show the last changes, and whose
  insanely [FLAG...] record -w FILE          write each packet before and after,
                                             with its verdict; - is stdout
  insanely explain FILE                      what became of each of them, and
                                             why; - is stdin
  insanely [FLAG...] replay FILE [SLAVE]     set policies, rules and seed of it;
                                             its packets get their verdicts
  insanely [FLAG...] list                    show the devices of this host
  insanely completion bash|zsh|fish          print a completion script
  insanely help                              print this page

SLAVE is the link that sends and receives. A slave with the name of one of the
words above is written behind "--". tx is what the host sends through the
device, rx what it receives through it, which the receive mode decides; without
a direction, tx is meant. Every change prints the device as it is afterwards, a
change of rules how many there are. A bad value changes nothing.

POLICY
%s
RULES: the first rule whose match a packet fits judges it; the policy of the
direction judges the others. In a file, each line has one, NAME: MATCH
tx|rx|both POLICY..., or a comment behind a #. All parts of a MATCH must fit:
%s
LEASES: a device has two states, the one in force and the one to return to. A
change with --for or --confirm is made to the state in force only, any other to
both: what is set without them stays. When the time is over, the daemon returns
what the change has set, whatever has become of this command. A second change of
the same sets the time anew, and does not change what it returns to. With both
flags, what is not confirmed in time returns then, and the rest after --for. All
rules are one such value; an edit of one rule without a time is also made in the
rules to return to. When the daemon ends, nothing is left to return to.

RECEIVE MODE: what of all that arrives at the slave is the device's instead of
the slave's
  auto            what is for an address that only the device has, and what
                  comes from hosts routed through it
  none            nothing; only answers of ARP and neighbour discovery are
                  copied to it
  all             everything; the slave's own addresses hear nothing meanwhile

FLAGS (anywhere on the line)
  --name NAME      the device (default insane, or $INSANE_NAME)
  --socket PATH    its control socket, or @NAME for an abstract one
                   (default /run/insane/NAME.sock, or $INSANE_SOCKET); goes
                   before --name, and list looks in its directory
  --receive MODE   set the receive mode: auto, none or all
  --for DURATION   with a change: it ends by itself after this time; record,
                   verify: so long (verify: default 30s)
  --confirm D      with a change: it ends after this time unless confirmed
  --seed N         with a change: restart the random draws with this seed
  --judge-neighbours
                   make the policies apply to ARP, neighbour discovery, IGMP and
                   MLD as well; --judge-neighbours=false ends that
  --no-protect     with a change: fault also the ssh session that this command
                   runs in; else a rule ssh-session passes it
  --any-netns      with a change: also of a device in another network namespace;
                   --socket allows that, too
  --wait DURATION  wait so long for the daemon to be there
  --json           print JSON, also of errors
  --interval D     watch: time between samples (default 1s, at least 10ms)
  --count N        watch: end after N samples; record: after N packets
  -w FILE          record: the file, in pcapng for Wireshark, tshark, tcpdump
  --lost           record, explain: only packets that are lost
  --rule NAME      record, explain: only packets of this rule
  --snaplen N      record: N bytes of each packet at most
  --size BYTES     record: begin a new file (FILE.1, .2 ...) after so many bytes
  --files N        record: keep the last N of these
  --help, --version

EXAMPLES
  insanely eth0 percent 60          of what is sent, 40 %% is lost
  insanely eth0 rx percent 99.5     of what is received, 0.5 %% is lost
  insanely eth0 both time 2s 500ms  no network at all for 0.5 s of every 2.5 s
  insanely eth0 rx time 50 100      deaf for 1 s after every 0.5 s
  insanely eth0 rx pass             rx: no more faults
  insanely eth0 pass                tx: no more faults
  insanely --receive none           whatever arrives is the slave's again
  insanely --receive all eth0 pass  slave, receive mode and tx policy at once
  insanely --for 10m eth0 percent 80  lossy for ten minutes, whatever happens
  insanely --confirm 20s eth0 percent 0  taken back unless confirmed in time
  insanely --seed 7 eth0 percent 9  the same packets are lost each time
  insanely rule add dns udp port 53 both delay 200ms  DNS is slow, nothing else
  insanely rule add big before dns greater 1400 tx percent 0  a black hole
  insanely rule set dns rx pass     the answers are not slow any more
  insanely rule del big             large packets are as others
  insanely --json watch --count 1   what happens in one second, for a program
  insanely record -w run.pcapng --count 1000  every packet, with its verdict
  insanely record -w - --lost | wireshark -k -i -  what is lost, live
  insanely explain run.pcapng       tx 47 ... lost: percent 95 (draw 0.0269 ...)
  insanely replay run.pcapng eth0   what was lost is lost again; pass ends it

EXIT STATUS
  0  done
  1  the daemon refused or failed, the output could not be written, or verify
     has found a difference, or cannot tell
  2  bad usage or a bad value; nothing was sent
  3  no daemon: the socket is missing, or nobody listens on it
  4  not permitted
An error is one line on standard error. No answer for 2 s is an error, about
rules and recordings for 10 s.
`

// Manual returns what --help prints, for manual pages.
func Manual() string { return help }
