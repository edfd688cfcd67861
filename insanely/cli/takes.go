package cli

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// takesWidth is the width of a list of addresses, in characters: it fits into a terminal of
// 80 columns behind the longest name of a device.
const takesWidth = 80 - 15 - len("  ")

// takesLines describe the frames that the receive mode covers at present.
func takesLines(info api.Info) []string {
	takes := info.Takes
	switch {
	case info.Receive == api.ReceiveNone:
		return []string{"nothing: answers of ARP and neighbour discovery are copied"}
	case takes.Idle != "":
		return []string{"nothing: " + takes.Idle}
	case info.Receive == api.ReceiveAll:
		return []string{"everything that arrives at " + info.Slave}
	}
	lines := append(listLines("to", takes.To), listLines("from", takes.From)...)
	if takes.More > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", takes.More))
	}
	if len(lines) == 0 && info.Receive == api.ReceiveAuto {
		lines = []string{"nothing yet: the interface has no address of its own and no route leads through it"}
	}
	return lines // none for a mode that only a newer daemon knows
}

// listLines returns addresses behind a word, in as many lines as they need.
func listLines(word string, list []string) (lines []string) {
	if len(list) == 0 {
		return nil
	}
	line, indent := word, strings.Repeat(" ", len(word))
	for _, text := range list {
		text = host(text)
		if line != word && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(text) > takesWidth {
			lines = append(lines, line)
			line = indent
		}
		line += " " + text
	}
	return append(lines, line)
}

// host removes the length from a prefix that is a single address.
func host(text string) string {
	if p, err := netip.ParsePrefix(text); err == nil && p.IsSingleIP() {
		return p.Addr().String()
	}
	return text
}
