package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insane/ledger/pcapng"
	"github.com/seed-39a139a1/insane/policy"
)

func explainFlags() []cli.Flag {
	return []cli.Flag{&cli.BoolFlag{Name: "lost"}, &cli.StringFlag{Name: "rule"}}
}

// explain prints what became of each packet of a recording, and why. It asks no daemon.
func (p *program) explain(c *cli.Context) error {
	if err := refuseFlags(c, append([]string{"name", "socket", "wait"}, changeFlags...)...); err != nil {
		return err
	}
	if c.NArg() != 1 {
		return usagef("file", "explain: want the name of a file, or - for standard input")
	}
	from, name := p.in, c.Args().First()
	if name != stdio {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		from = file
	}
	reader, err := pcapng.NewReader(from)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	e := explainer{reader: reader, lost: c.Bool("lost"), rule: c.String("rule"), waiting: make(map[packetKey]*packet)}
	e.show = func(k *packet) error { return p.print(k.line()) }
	if c.Bool("json") {
		e.show = func(k *packet) error { return p.write(toJSON(k, "")) }
	}
	if err := e.run(); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if missed := reader.Missed(); missed > 0 {
		fmt.Fprintf(p.err, "insanely: %d entries are missing, as they were not written in time\n", missed)
	}
	if !reader.Ended() {
		fmt.Fprintf(p.err, "insanely: %s is cut off: what follows is not there\n", name)
	}
	return nil
}

// packetKey identifies a packet exactly.
type packetKey struct {
	direction policy.Direction
	neighbour bool
	series    uint32
	number    uint64
}

// explainer puts the entries of each packet together.
type explainer struct {
	reader   *pcapng.Reader
	lost     bool
	rule     string
	show     func(*packet) error
	waiting  map[packetKey]*packet // packets that have arrived and not left yet
	compiled map[*ledger.Program]*compiled
}

// compiled is a program, and its policy.
type compiled struct {
	policy  policy.Policy
	program policy.Program
}

// run prints every packet at the moment at which nothing more comes of it, and those that are
// still held at the end.
func (e *explainer) run() error {
	for {
		entry, err := e.reader.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return e.rest()
		}
		if err == nil {
			err = e.take(entry)
		}
		if err != nil {
			return err
		}
	}
}

// take takes an entry.
func (e *explainer) take(entry *ledger.Entry) error {
	key := packetKey{entry.Direction, entry.Neighbour, entry.Series, entry.Number}
	k := newPacket(entry)
	if entry.Kind == ledger.Arrived {
		if err := e.judged(k, entry); err != nil {
			return err
		}
		if !entry.Lost() {
			e.waiting[key] = k
			return nil
		}
		return e.print(k)
	}
	if before := e.waiting[key]; before != nil && entry.Ordinal == 0 {
		delete(e.waiting, key)
		k = before
	} else {
		k.early = entry.Ordinal == 0 && !e.reader.Header().Lost
	}
	at := e.time(entry.Time)
	k.Ended = &at
	k.Marked = entry.Marked
	k.Why = entry.Why
	k.end(entry.Kind)
	return e.print(k)
}

// judged says what the verdict on a packet that has arrived depends on.
func (e *explainer) judged(k *packet, entry *ledger.Entry) error {
	at := e.time(entry.Time)
	k.Arrived = &at
	k.verdict = entry.Verdict
	k.setVerdict()
	p := e.reader.Program(entry)
	if p == nil {
		return nil
	}
	c := e.compiled[p]
	if c == nil {
		parsed, err := policy.Parse(p.Policy)
		if err != nil {
			return err
		}
		c = &compiled{policy: parsed, program: parsed.CompileAt(policy.Start{Epoch: p.Epoch, Seed: p.Seed, First: p.First})}
		if e.compiled == nil {
			e.compiled = make(map[*ledger.Program]*compiled)
		}
		e.compiled[p] = c
	}
	k.Policy = c.policy.String()
	k.queue = c.policy.StageText(policy.ByQueue)
	if by := entry.Verdict.By; by != policy.Relay {
		k.Stage, k.Because = c.policy.StageText(by), c.program.Why(by, entry.Judged, entry.Number)
		if d, ok := c.program.DrawOf(by, entry.Number); ok {
			draw := float64(d.Value) / (1 << 32)
			k.Draw = &draw
		}
	}
	return nil
}

// rest prints what is held at the end, in the order of arrival.
func (e *explainer) rest() error {
	return inOrder(e.waiting, func(k *packet) error {
		k.Outcome = outcomeHeld
		return e.print(k)
	})
}

// print prints a packet that is asked for.
func (e *explainer) print(k *packet) error {
	if e.lost && k.Outcome != outcomeLost && k.Outcome != outcomeOverrun || e.rule != "" && e.rule != k.Rule {
		return nil
	}
	return e.show(k)
}

// time returns a time of an entry as one since 1970.
func (e *explainer) time(t policy.Time) time.Time {
	return time.Unix(0, int64(t)+e.reader.Header().Real).UTC()
}
