package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-39a139a1/insane/insanely/verify/stat"
	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/dist"
	"github.com/seed-39a139a1/insane/policy/unit"
)

// asked is a policy as numbers. They are read from its text and not from the compiled program,
// whose numbers might be wrong.
type asked struct {
	text   string
	losses []loss // of which each packet meets all
	ecn    bool

	duplicate float64
	copies    int // beside the packet itself
	corrupt   float64

	link    link // bits = 0: there is none
	delay   delay
	reorder float64
	by      int

	texts   map[string]string // of stages, by name
	unknown []string          // stages that cannot be judged
}

// loss is a stage that loses packets.
type loss struct {
	text  string
	kind  lossKind
	chain stat.Chain // of chance

	lost, of  uint64 // exactly lost of each of packets, of counted
	even      bool   // the losses are equally far from each other
	list      [][2]uint64
	on, cycle int64 // ns, of phases
}

type lossKind int

const (
	chance  lossKind = iota // by a chain of states
	counted                 // every, exactly
	listed                  // drop
	phases                  // time
)

// link is what rate and queue ask for.
type link struct {
	bits              float64 // a second
	overhead          int64   // bytes of a packet
	cell, header      int64   // bytes
	packets, bytes    uint64  // of its queue; 0: no such bound
	longest           int64   // ns in its queue; 0: no such bound
	mark              int64
	rateText, waiting string
}

// delay is what delay asks for. Times are in ns.
type delay struct {
	text         string // "" if there is none
	time, jitter int64
	shape        dist.Shape
	slice        int64 // of one draw; 0: each packet has its own
	keep         float64
	reordering   bool
}

// words are the words of a stage that are not read yet.
type words []string

// take removes the first word, which the canonical text has.
func (w *words) take() string {
	if len(*w) == 0 {
		return ""
	}
	first := (*w)[0]
	*w = (*w)[1:]
	return first
}

// named removes the first word if it is this one.
func (w *words) named(name string) bool {
	if len(*w) == 0 || (*w)[0] != name {
		return false
	}
	w.take()
	return true
}

// Numbers of a canonical text, which the daemon has checked. What is no number is 0.
func (w *words) share() float64 {
	p, _ := unit.ParsePercent(w.take())
	return float64(p) / float64(unit.Hundred)
}

func (w *words) number() uint64 {
	n, _ := unit.ParseNumber(w.take())
	return uint64(n)
}

func (w *words) span() int64 {
	s, _ := unit.ParseSpan(w.take())
	return int64(s)
}

func (w *words) bytes() int64 {
	text, less := strings.CutPrefix(w.take(), "-")
	size, err := unit.ParseSize(text)
	if err != nil {
		n, _ := unit.ParseNumber(text)
		size = unit.Size(n)
	}
	if less {
		return -int64(size)
	}
	return int64(size)
}

// read reads the canonical text of a policy.
func read(text string) (asked, error) {
	p, err := policy.Parse(text)
	if err != nil {
		return asked{}, fmt.Errorf("read policy %q: %w", text, err)
	}
	a := asked{text: p.String(), texts: map[string]string{}}
	places := map[string]int{} // of the stages, in their order
	for i, form := range policy.Forms() {
		places[form.Name] = i
	}
	all := strings.Fields(a.text)
	for len(all) > 0 && all[0] != "pass" {
		end := 1
		// A later stage begins here; "every" is a stage and also a word of delay.
		for end < len(all) && places[all[end]] <= places[all[0]] {
			end++
		}
		a.stage(all[0], words(slices.Clone(all[1:end])), strings.Join(all[:end], " "))
		all = all[end:]
	}
	return a, nil
}

// stage reads one stage.
func (a *asked) stage(name string, w words, text string) {
	a.texts[name] = text
	switch name {
	case "percent", "gemodel", "state", "every", "exactly", "drop", "time":
		a.losses = append(a.losses, readLoss(name, w, text))
	case "ecn":
		a.ecn = true
	case "duplicate":
		a.duplicate, a.copies = w.share(), 1
		if w.named("copies") {
			a.copies = int(w.number())
		}
	case "corrupt":
		a.corrupt = w.share()
	case "rate":
		a.link.read(w, text)
	case "queue":
		a.link.queue(w, text)
	case "delay":
		a.delay.read(w, text)
	case "reorder":
		a.reorder, a.by = w.share(), 1
		if w.named("by") {
			a.by = int(w.number())
		}
	default:
		a.unknown = append(a.unknown, text)
	}
}

func (l *link) read(w words, text string) {
	rate, _ := unit.ParseRate(w.take())
	l.bits, l.rateText = float64(rate), text
	l.longest = 100_000_000 // unless there is a queue
	if w.named("overhead") {
		l.overhead = w.bytes()
	}
	if w.named("cell") {
		l.cell = w.bytes()
	}
	if w.named("overhead") {
		l.header = w.bytes()
	}
}

func (l *link) queue(w words, text string) {
	l.waiting, l.longest = text, 0
	switch bound := w[0]; {
	case strings.HasSuffix(bound, "B"):
		l.bytes = uint64(w.bytes())
	case strings.Trim(bound, "0123456789") == "":
		l.packets = w.number()
	default:
		l.longest = w.span()
	}
	if w.named("mark") {
		l.mark = w.span()
	}
}

// takes returns how many bits a packet takes on the link.
func (l *link) takes(bytes uint32) float64 {
	n := max(0, int64(bytes)+l.overhead)
	if l.cell > 0 {
		n = (n + l.cell - 1) / l.cell * (l.cell + l.header)
	}
	return 8 * float64(n)
}

func (d *delay) read(w words, text string) {
	d.text, d.time = text, w.span()
	if !w.named("jitter") {
		return
	}
	d.jitter = w.span()
	if len(w) > 0 {
		if shape, ok := dist.Named(w[0]); ok {
			d.shape = shape
			w.take()
		}
	}
	each, every := w.named("each"), w.named("every")
	if every {
		d.slice = w.span()
	}
	if w.named("correlation") {
		d.keep = w.share()
	}
	d.reordering = w.named("reordering")
	if !each && !every && !d.reordering && d.keep == 0 {
		d.slice = 10 * d.jitter // README: a draw for each slice, ten times J
	}
}
