package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/unit"
)

func recordFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "w"},
		&cli.BoolFlag{Name: "lost"},
		&cli.StringFlag{Name: "rule"},
		&cli.UintFlag{Name: "snaplen"},
		&cli.GenericFlag{Name: "size", Value: new(size)},
		&cli.UintFlag{Name: "files"},
		&cli.UintFlag{Name: "count"},
	}
}

// size is the value of a flag: a number of bytes.
type size unit.Size

// Set implements flag.Value.
func (s *size) Set(text string) error {
	n, err := unit.ParseSize(text)
	if err != nil || n == 0 {
		return errors.New("want a size such as 100MB")
	}
	*s = size(n)
	return nil
}

// String implements flag.Value.
func (s *size) String() string { return unit.Size(*s).String() }

// lastRead is how long what has come before the end is still read.
const lastRead = 50 * time.Millisecond

// record writes a recording to files until it is interrupted, has enough, or the daemon ends.
func (p *program) record(c *cli.Context) error {
	if err := refuse(c, append([]string{"json"}, watchedFlags...)...); err != nil {
		return err
	}
	files, err := p.files(c)
	if err != nil {
		return err
	}
	filter := ledger.Filter{Lost: c.Bool("lost"), Rule: c.String("rule"), Snaplen: uint32(min(c.Uint("snaplen"), ledger.MaxBytes))}
	if filter.Rule != "" && filter.Rule != policy.DefaultRule {
		if err := policy.CheckName(filter.Rule); err != nil {
			return err
		}
	}
	for _, flag := range []string{"count", "snaplen", "files"} {
		if c.IsSet(flag) && c.Uint(flag) == 0 {
			return usagef(flag, "flag --%s 0: want 1 or more", flag)
		}
	}
	client, err := p.open(c)
	if err != nil {
		return err
	}
	defer client.Close()
	interrupted, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // a reader that is gone is an error as any other
	defer signal.Reset(syscall.SIGPIPE)
	reading, cancel := context.WithCancel(c.Context)
	defer cancel()
	context.AfterFunc(interrupted, func() { time.AfterFunc(lastRead, cancel) })
	recording, err := client.Record(reading, filter)
	if err != nil {
		return err
	}
	defer recording.Close()
	r := recorder{from: recording, files: files, most: uint64(c.Uint("count")), reading: reading}
	if limit := howLong(c, 0); limit > 0 {
		defer time.AfterFunc(limit, cancel).Stop()
	}
	err = r.run()
	fmt.Fprintln(p.err, r.summary())
	return err
}

// recorder is a recording that is being written.
type recorder struct {
	from    *insanely.Recording
	files   *files
	most    uint64          // packets after which it ends; 0: no limit
	reading context.Context // its end is the normal one

	arrived, left, lost, refused, missed uint64
}

// run writes until the recording ends. The error says why, unless somebody has asked for the end.
func (r *recorder) run() (err error) {
	if err := r.files.open(r.from.Header()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.files.close()) }()
	for r.most == 0 || r.packets() < r.most {
		if r.from.Buffered() == 0 {
			if err := r.files.flush(); err != nil {
				return err
			}
		}
		next, err := r.from.Next()
		switch {
		case err != nil && r.reading.Err() != nil:
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return errors.New("record: the daemon broke off")
		case err != nil:
			return fmt.Errorf("record: %w", err)
		}
		if end, over := next.(*ledger.End); over {
			for _, m := range end.Missed {
				r.miss(m)
			}
			return fmt.Errorf("record: %s", end.Why)
		}
		if err := r.take(next); err != nil {
			return err
		}
	}
	return nil
}

// take writes what has come.
func (r *recorder) take(next any) error {
	switch v := next.(type) {
	case *ledger.Program:
		r.files.programs.Add(v)
	case *ledger.Missed:
		r.miss(*v)
	case *ledger.Entry:
		switch {
		case v.Kind == ledger.Left:
			r.left++
		case v.Kind == ledger.Refused:
			r.refused++
		default:
			r.arrived++
			if v.Lost() {
				r.lost++
			}
		}
		return r.files.entry(v)
	}
	return nil
}

func (r *recorder) miss(m ledger.Missed) {
	r.missed += m.Entries
	r.files.missed(m)
}

// packets is how many packets the recording has. Of what is lost behind its verdict alone, one
// that has only what is lost has no arrival.
func (r *recorder) packets() uint64 {
	if r.from.Header().Lost {
		return r.lost + r.refused
	}
	return r.arrived
}

// summary says what was recorded.
func (r *recorder) summary() string {
	text := fmt.Sprintf("insanely: recorded %d packets: %d left, %d lost", r.packets(), r.left, r.lost+r.refused)
	if r.missed > 0 {
		text += fmt.Sprintf("; %d entries are missing, as they were not written in time", r.missed)
	}
	return text
}
