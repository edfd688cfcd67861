package main

import (
	"fmt"
	"regexp"
	"strings"
)

// page is a manual page that is being written, in mdoc(7).
type page struct{ strings.Builder }

// line writes a line: a macro, a request or plain text that is already in mdoc's form.
func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// raw makes text safe for mdoc: a backslash is its escape, and other characters than those of
// ASCII are written by number.
func raw(text string) string {
	var safe strings.Builder
	for _, r := range text {
		switch {
		case r == '\\':
			safe.WriteString(`\e`)
		case r > 126:
			fmt.Fprintf(&safe, `\[u%04X]`, r)
		default:
			safe.WriteRune(r)
		}
	}
	return safe.String()
}

// typed makes safe what people type or read on a terminal: a hyphen stays a hyphen there, and
// a quotation mark what it is.
func typed(text string) string {
	return strings.NewReplacer("-", `\-`, `"`, `\(dq`, "'", `\(aq`, "`", `\(ga`, "~", `\(ti`, "^", `\(ha`).Replace(raw(text))
}

// argument makes a word safe as an argument of a macro: it is no macro and no delimiter.
func argument(word string) string {
	word = typed(word)
	if strings.ContainsAny(word, " ") {
		return `"` + word + `"`
	}
	if len(word) <= 3 || strings.Trim(word, "|()[].,:;!?") == "" {
		return `\&` + word
	}
	return word
}

// The kinds of words of a sentence.
var (
	wordFlag   = regexp.MustCompile(`^--[a-z][a-z-]*(=[a-z]+)?$`)
	wordEnv    = regexp.MustCompile(`^\$[A-Z_]+$`)
	wordRight  = regexp.MustCompile(`^(CAP|SIG)_?[A-Z_]+$`)
	wordPage   = regexp.MustCompile(`^([a-z-]+)\(([1-8])\)$`)
	wordPath   = regexp.MustCompile(`^/[a-zA-Z]+(/[a-zA-Z@.%*-]+)+$`)
	wordValue  = regexp.MustCompile(`^[A-Z][A-Z0-9_]+$|^[A-Z]$`)
	wordAround = regexp.MustCompile(`^([("]*)(.*?)([.,;:)"]*)$`)
)

// macro returns the macro for a word of a sentence, or "" for a plain word. values are the
// words that stand for a value in this page.
func macro(word string, values map[string]bool) string {
	switch {
	case wordFlag.MatchString(word):
		return "Fl " + typed(word[1:])
	case wordEnv.MatchString(word):
		return "Ev " + word[1:]
	case wordRight.MatchString(word):
		return "Dv " + word
	case wordPath.MatchString(word):
		return "Pa " + word
	case wordValue.MatchString(word) && values[word]:
		return "Ar " + argument(word)
	}
	if m := wordPage.FindStringSubmatch(word); m != nil {
		return "Xr " + m[1] + " " + m[2]
	}
	return ""
}

// text writes sentences, in which flags, values, variables, paths and other pages are marked.
func (p *page) text(sentences string, values map[string]bool) {
	var plain []string
	flush := func() {
		if len(plain) > 0 {
			p.line("%s", guarded(raw(strings.Join(plain, " "))))
		}
		plain = nil
	}
	for _, word := range strings.Fields(sentences) {
		around := wordAround.FindStringSubmatch(word)
		if m := wordPage.FindStringIndex(strings.TrimRight(word, ".,;:")); m != nil {
			around = []string{word, "", word[:m[1]], word[m[1]:]}
		}
		marked := macro(around[2], values)
		if marked == "" {
			plain = append(plain, word)
			if strings.HasSuffix(word, ".") && len(word) > 2 {
				flush() // the next sentence begins a line
			}
			continue
		}
		flush()
		p.line(".%s", surrounded(around[1], marked, around[3]))
	}
	flush()
}

// surrounded puts punctuation around a macro.
func surrounded(before, marked, after string) string {
	if before != "" {
		marked = "Pf " + strings.ReplaceAll(before, `"`, `\(dq`) + " " + marked
	}
	for _, r := range after {
		if r == '"' {
			marked += ` Ns \(dq`
			continue
		}
		marked += " " + string(r)
	}
	return marked
}

// guarded keeps a line of text from being read as a request.
func guarded(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}

// code writes lines as they are typed, or as a file has them.
func (p *page) code(lines ...string) {
	p.line(".Bd -literal -offset indent")
	for _, line := range lines {
		p.line("%s", guarded(typed(line)))
	}
	p.line(".Ed")
}

// form returns how a thing is written as arguments of a macro line: optional parts in
// brackets, values in capitals, all else as it is typed. [A|B] stays one word.
func form(usage string) string {
	var out []string
	for _, word := range strings.Fields(spaced(usage)) {
		alternatives := strings.Split(word, "|")
		for i, w := range alternatives {
			if i > 0 {
				out = append(out, "|")
			}
			out = append(out, formWord(w)...)
		}
	}
	return strings.Join(out, " ")
}

// spaced puts blanks around brackets.
func spaced(usage string) string {
	return strings.NewReplacer("[", " [ ", "]", " ] ").Replace(usage)
}

// formWord returns the macros for one word of a form.
func formWord(w string) []string {
	switch {
	case w == "":
		return nil
	case w == "[":
		return []string{"Oo"}
	case w == "]":
		return []string{"Oc"}
	case wordEnv.MatchString(w):
		return []string{"Ev", w[1:]}
	case strings.HasPrefix(w, "-"):
		name, value, has := strings.Cut(strings.TrimPrefix(w, "-"), "=")
		if name == "" || name == "-" {
			return []string{"Fl", `\-`}
		}
		if has {
			return []string{"Fl", typed(name) + "=" + typed(value)}
		}
		return append([]string{"Fl"}, strings.Fields(strings.ReplaceAll(typed(name), ",", " ,"))...)
	case strings.Trim(w, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,") == "" && strings.ToLower(w) != w:
		return []string{"Ar", argument(w)}
	case strings.Trim(w, ".,") == "":
		return []string{"No", argument(w)}
	}
	return []string{"Cm", argument(w)}
}
