package cli

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely/verify"
)

// How long verify watches.
const (
	usuallyWatched = 30 * time.Second
	leastWatched   = 100 * time.Millisecond
)

// verify watches the traffic for a time and compares it with what was asked for. It fails if
// something differs. An interrupt ends the time.
func (p *program) verify(c *cli.Context) error {
	if err := refuse(c, watchedFlags...); err != nil {
		return err
	}
	length := howLong(c, usuallyWatched)
	if length < leastWatched {
		return usagef("for", "flag --for %s: shorter than %s", length, leastWatched)
	}
	client, err := p.open(c)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := verify.Run(ctx, client, length)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		err = p.printJSON(report)
	} else {
		err = p.print(report.String())
	}
	if err == nil && report.Differs > 0 {
		err = fmt.Errorf("%d of %d lines differ from what was asked for", report.Differs, len(report.Lines))
	}
	return err
}
