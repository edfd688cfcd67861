package verify

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Report is what a run of verify has found.
type Report struct {
	Device  string   `json:"device"`
	Slave   string   `json:"slave"`
	Seconds float64  `json:"seconds"` // for which packets were watched
	Path    string   `json:"path"`    // that the packets took: "kernel" or "relay"
	Lines   []Line   `json:"lines"`
	Notes   []string `json:"notes"`   // sentences about the lines
	Differs int      `json:"differs"` // how many lines differ
	Few     int      `json:"tooFew"`  // how many lines had too few packets
}

// String is the report as a table for people.
func (r Report) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "watched %s, slave %s, for %.3gs, path %s\n", r.Device, r.Slave, r.Seconds, r.Path)
	rows := make([][]string, len(r.Lines))
	var widths [6]int
	for i, l := range r.Lines {
		rows[i] = []string{l.Direction, l.Rule, l.Stage, with("asked", l.Asked), with("seen", l.Seen), l.Interval}
		if l.Rule == "" { // a counter
			rows[i][3], rows[i][4] = with("says", l.Asked), with("witness", l.Seen)
		}
		for k, cell := range rows[i] {
			widths[k] = max(widths[k], utf8.RuneCountInString(cell))
		}
	}
	for i, row := range rows {
		for k, cell := range row {
			if widths[k] > 0 {
				text.WriteString(cell + strings.Repeat(" ", widths[k]-utf8.RuneCountInString(cell)+2))
			}
		}
		text.WriteString(r.Lines[i].conclusion() + "\n")
	}
	for _, note := range r.Notes {
		text.WriteString("note: " + note + "\n")
	}
	return text.String()
}

// with puts a word in front of a text, if there is one.
func with(word, text string) string {
	if text == "" {
		return ""
	}
	return word + " " + text
}

// conclusion is the verdict, with what it takes for another one.
func (l Line) conclusion() string {
	if l.Verdict == Few && l.Need > l.Packets {
		return l.Verdict + ": " + count(l.Packets) + " of " + count(l.Need)
	}
	return l.Verdict
}
