package cli

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// device prints the device. If there are words, it changes the device first.
func (p *program) device(c *cli.Context) error {
	info, err := p.askDevice(c)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return p.printJSON(info)
	}
	return p.print(deviceText(info))
}

func (p *program) askDevice(c *cli.Context) (api.Info, error) {
	change, err := requested(c)
	if err != nil {
		return api.Info{}, err
	}
	client, err := p.open(c)
	if err != nil {
		return api.Info{}, err
	}
	defer client.Close()
	if change == (api.Change{}) {
		return client.Info(c.Context)
	}
	change.Session = p.session(c)
	info, err := client.SetIn(c.Context, namespaceOf(c), change)
	return info, explainNamespace(err)
}

// deviceText describes the device for a user. Its first three lines are exactly the lines
// that the command of 2000 printed, because scripts read them; newer facts follow.
func deviceText(info api.Info) string {
	slave, mode, arguments := info.Slave, info.TX.Policy, ""
	if slave == "" {
		slave = "none"
	}
	// If this version does not know the policy, show it as the daemon wrote it.
	if asked, err := policy.Parse(info.TX.Policy); err == nil {
		mode, arguments = asked.Mode(), " "+asked.Arguments()
	}
	var text strings.Builder
	fmt.Fprintf(&text, "slave: %s\nmode: %s\n%s\n\n", slave, mode, strings.TrimSpace("arguments:"+arguments))

	about := fmt.Sprintf("carrier %s  mtu %d  receive %s  seed %d", upDown(info.Carrier), info.MTU, info.Receive, info.Seed)
	if info.JudgeNeighbours {
		about += "  neighbours judged"
	}
	blocks := blocks{{info.Name, []string{about}}}
	if text := namespaceText(info); text != "" {
		blocks.add("namespace", text)
	}
	for _, w := range info.Warnings {
		blocks.add("warning", w.Message)
	}
	blocks.add("takes", takesLines(info)...)
	blocks.add("slave", slaveText(info))
	blocks.add("path", pathText(info))
	if info.Replay != nil {
		blocks.add("replay", replayText(info.Replay))
	}
	if info.LogDropped > 0 {
		blocks.add("log", fmt.Sprintf("%d lines of the daemon's log were lost: nobody read them in time", info.LogDropped))
	}
	if info.Rules > 0 {
		blocks.add("rules", fmt.Sprintf("%d, in front of the policies below: see insanely rule", info.Rules))
	}
	if len(info.Leases) > 0 {
		blocks.add("lease", leaseLines(info.Leases)...)
	}
	counters := newCounters(info.TX.Stats, info.RX.Stats)
	blocks.add("tx", directionLines(info.TX, counters)...)
	blocks.add("rx", directionLines(info.RX, counters)...)
	text.WriteString(blocks.String())
	return text.String()
}

// directionLines describes one direction: the policy, its effect, the counters.
func directionLines(d api.Direction, layout counters) []string {
	lines := append([]string{policyText(d.Policy), verdictText(d)}, didLines(d)...)
	return append(lines, layout.lines(d.Stats)...)
}

func upDown(up bool) string {
	if up {
		return "up"
	}
	return "down"
}

// slaveText says what happens to packets if the slave cannot take them.
func slaveText(info api.Info) string {
	switch info.SlaveState {
	case api.SlaveNone:
		return "none: dropped as " + api.DropNoSlave + " until one is given"
	case api.SlaveDown:
		return info.Slave + " down: dropped as " + api.DropSlaveDown + " until it is up with carrier"
	case api.SlaveGone:
		return info.Slave + " gone: dropped as " + api.DropSlaveGone + " until a link of that name returns"
	default:
		return info.Slave + " " + info.SlaveState
	}
}

func pathText(info api.Info) string {
	if info.PathReason == "" {
		return info.Path
	}
	return info.Path + ": " + info.PathReason
}

// blocks are paragraphs with labels; the labels form the first column.
type blocks []block

type block struct {
	label string
	lines []string
}

func (b *blocks) add(label string, lines ...string) { *b = append(*b, block{label, lines}) }

// String returns the text of all blocks.
func (b blocks) String() string {
	width := 0
	for _, block := range b {
		width = max(width, len(block.label))
	}
	var text strings.Builder
	for _, block := range b {
		label := block.label
		for _, line := range block.lines {
			fmt.Fprintf(&text, "%-*s  %s\n", width, label, line)
			label = ""
		}
	}
	return text.String()
}
