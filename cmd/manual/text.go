package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// manual is the text that a command prints for --help, taken apart. The text is written for
// people; these are its habits, which the tests of the commands keep:
//
//   - The first line is NAME - SUMMARY. The indented lines below it are the synopsis.
//   - A heading begins with capitals, up to the end of the line, a colon or a bracket.
//   - Other text that is not indented is a paragraph.
//   - An item begins with two blanks. Its explanation is in a column behind it, after at least
//     two blanks, or on deeper lines below it, or both.
//   - Indented lines that end with commas are an enumeration.
type manual struct {
	name, summary string
	synopsis      []item
	sections      []section // the first one has no title
}

// section is a heading and what is below it.
type section struct {
	title  string
	blocks []block
}

// block is a paragraph, or a list of items if it has any.
type block struct {
	paragraph string
	setOff    bool // the paragraph is an enumeration with a margin
	items     []item
}

// item is a term and its explanation, which may have items of its own.
type item struct {
	term  string
	about []block
}

// indent is what an item begins with.
const indent = "  "

var heading = regexp.MustCompile(`^([A-Z]{2,}(?: [A-Z]+)*)(?:$|: ?| \()`)

// parse takes the text of a command apart.
func parse(text string) (m manual) {
	first, rest, _ := strings.Cut(text, "\n")
	m.name, m.summary, _ = strings.Cut(first, " - ")
	lines := strings.Split(strings.Trim(rest, "\n"), "\n")
	var s section
	from := 0
	for i, line := range lines {
		if match := heading.FindStringSubmatch(line); match != nil {
			s.blocks = blocks(lines[from:i])
			m.sections = append(m.sections, s)
			s, from = section{title: match[1]}, i
			lines[i] = opening(strings.TrimSpace(line[len(match[1]):]))
		}
	}
	s.blocks = blocks(lines[from:])
	m.sections = append(m.sections, s)
	if front := m.sections[0].blocks; len(front) > 0 {
		m.synopsis, m.sections[0].blocks = front[0].items, front[1:]
	}
	return m
}

// opening makes a sentence of what is behind a title, which may be the beginning of one.
func opening(text string) string {
	text = strings.TrimPrefix(text, ": ")
	if bracketed, ok := strings.CutPrefix(text, "("); ok {
		text = strings.TrimSuffix(bracketed, ")") + "."
	}
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// blocks takes the lines of a section apart.
func blocks(lines []string) (list []block) {
	for len(lines) > 0 {
		if strings.TrimSpace(lines[0]) == "" {
			lines = lines[1:]
			continue
		}
		indented := strings.HasPrefix(lines[0], indent)
		n := slices.IndexFunc(lines, func(l string) bool {
			return strings.TrimSpace(l) == "" || strings.HasPrefix(l, indent) != indented
		})
		if n < 0 {
			n = len(lines)
		}
		switch {
		case indented && enumerates(lines[:n]):
			list = append(list, block{setOff: true, paragraph: strings.Join(lines[:n], " ")})
		case indented:
			list = append(list, block{items: items(lines[:n])})
		default:
			list = append(list, block{paragraph: strings.Join(lines[:n], " ")})
		}
		lines = lines[n:]
	}
	return list
}

// enumerates reports whether indented lines are words between commas, and no items.
func enumerates(lines []string) bool {
	return len(lines) > 1 && !slices.ContainsFunc(lines[:len(lines)-1], func(l string) bool { return !strings.HasSuffix(l, ",") })
}

// depth is how many blanks a line begins with.
func depth(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// gap is the space between a term and its explanation.
var gap = regexp.MustCompile(`\S(  +)\S`)

// column is where the explanations of items begin: where most of them do, and at least a line
// below an item does; 0 if there is none.
func column(lines []string) int {
	below, behind := make(map[int]int), make(map[int]int)
	for _, line := range lines {
		if d := depth(line); d > len(indent) {
			below[d]++
		} else if g := gap.FindStringIndex(line); g != nil {
			behind[g[1]-1]++
		}
	}
	best, most := 0, 0
	for _, d := range slices.Sorted(maps.Keys(below)) {
		if n := below[d] + behind[d]; n > most {
			best, most = d, n
		}
	}
	return best
}

// items takes a list apart.
func items(lines []string) (list []item) {
	at := column(lines)
	for len(lines) > 0 {
		n := 1 + slices.IndexFunc(lines[1:], func(l string) bool { return depth(l) <= len(indent) })
		if n == 0 {
			n = len(lines)
		}
		term, first := split(lines[0], at)
		below := lines[1:n]
		for first == "" && len(below) > 0 && depth(below[0]) < at {
			term, below = term+" "+strings.TrimSpace(below[0]), below[1:] // the term is longer than a line
		}
		if first != "" {
			below = append([]string{strings.Repeat(" ", at) + first}, below...)
		}
		list = append(list, item{term: term, about: explanation(below)})
		lines = lines[n:]
	}
	return list
}

// split parts the first line of an item. at is where explanations begin; a flag may reach up
// to one blank before that.
func split(line string, at int) (term, about string) {
	text := strings.TrimPrefix(line, indent)
	if g := gap.FindStringIndex(text); g != nil {
		return text[:g[0]+1], strings.TrimSpace(text[g[0]+1:])
	}
	if strings.HasPrefix(text, "-") && at > len(indent) && len(line) > at && line[at-1] == ' ' && line[at] != ' ' {
		return strings.TrimSpace(line[:at]), line[at:]
	}
	return text, ""
}

// named is a line that explains one of several values, in a column of its own.
var named = regexp.MustCompile(`^[a-z0-9-]+  +\S`)

// explanation takes apart what is said of an item: sentences, and after them perhaps values.
func explanation(lines []string) (list []block) {
	if len(lines) == 0 {
		return nil
	}
	least := depth(lines[0])
	for _, line := range lines {
		least = min(least, depth(line))
	}
	var text []string
	for i, line := range lines {
		line = line[least:]
		if named.MatchString(line) {
			return append(paragraph(text), block{items: items(indented(lines[i:], least))})
		}
		text = append(text, strings.TrimSpace(line))
	}
	return paragraph(text)
}

// indented moves lines to where items begin.
func indented(lines []string, from int) (moved []string) {
	for _, line := range lines {
		moved = append(moved, indent+line[from:])
	}
	return moved
}

// paragraph is a paragraph of these lines, if there are any.
func paragraph(lines []string) []block {
	if len(lines) == 0 {
		return nil
	}
	return []block{{paragraph: strings.Join(lines, " ")}}
}
