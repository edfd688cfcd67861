package cli

import (
	"time"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insanely"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// The flags of a change that ends by itself.
const (
	leaseFor     = "for"
	leaseConfirm = "confirm"
)

// leaseTime is the value of such a flag, as it was typed.
type leaseTime string

// Set implements flag.Value.
func (l *leaseTime) Set(text string) error {
	_, err := api.ParseLease(text)
	*l = leaseTime(text)
	return err
}

// String implements flag.Value.
func (l *leaseTime) String() string { return string(*l) }

// readLease sets the members of a change that say when it ends. none says that there is nothing
// to change.
func readLease(c *cli.Context, span, confirm **string, none bool) error {
	if none {
		return refuseLease(c)
	}
	for flag, member := range map[string]**string{leaseFor: span, leaseConfirm: confirm} {
		if c.IsSet(flag) {
			text := c.Generic(flag).(*leaseTime).String()
			*member = &text
		}
	}
	return nil
}

// refuseLease returns an error if a time is given although nothing is to change.
func refuseLease(c *cli.Context) error {
	for _, flag := range []string{leaseFor, leaseConfirm} {
		if c.IsSet(flag) {
			return usagef(flag, "flag --%s: only with a change, as in \"insanely --%s 10m eth0 %s\"", flag, flag, policy.Example)
		}
	}
	return nil
}

// howLong returns how long a subcommand that changes nothing goes on: the time of --for, or usual
// without the flag.
func howLong(c *cli.Context, usual time.Duration) time.Duration {
	if !c.IsSet(leaseFor) {
		return usual
	}
	span, _ := api.ParseLease(c.Generic(leaseFor).(*leaseTime).String()) // the flag was found to be right
	return span
}

// confirm keeps what waits for a confirmation, and prints the device.
func (p *program) confirm(c *cli.Context) error {
	return show(p, c, (*insanely.Client).Confirm, deviceText)
}

// leaseLines say of each lease to what its member returns, and when.
func leaseLines(leases []api.Lease) (lines []string) {
	for _, l := range leases {
		to := l.To
		if to == "" {
			to = "none"
		}
		verb := " returns to "
		if l.Member == api.MemberRules {
			verb = " return to "
		}
		line := l.Member + verb + to + " in " + remaining(l.Remaining)
		if l.Unconfirmed {
			line += " unless confirmed"
			if l.IfConfirmed > 0 {
				line += ", then in " + remaining(l.IfConfirmed)
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// remaining returns a time in nanoseconds as a person reads it: in seconds, if it is long.
func remaining(ns int64) string {
	d := time.Duration(ns)
	if d >= 10*time.Second {
		return d.Round(time.Second).String()
	}
	return d.Round(time.Millisecond).String()
}
