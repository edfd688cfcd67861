package cli

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insane"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// directions reads the policies of both directions and the receive mode, and checks that
// they fit together.
func directions(c *cli.Context, conf *insane.Config) (err error) {
	if conf.Policy, err = parsePolicy("policy", c.String("policy")); err != nil {
		return err
	}
	rx := c.String("rx-policy")
	if conf.RXPolicy, err = parsePolicy("rx-policy", rx); err != nil {
		return err
	}
	conf.Receive = c.String("receive")
	if err := api.CheckReceive(conf.Receive); err != nil {
		return fmt.Errorf("receive: %q: %w", conf.Receive, err)
	}
	if conf.Receive == api.ReceiveNone && conf.RXPolicy != (policy.Policy{}) {
		return fmt.Errorf("rx-policy: %q: with --receive none nothing that arrives is the device's to fault", rx)
	}
	faulty := conf.RXPolicy != (policy.Policy{}) || slices.ContainsFunc(conf.Rules, faultsReceived)
	conf.SendOnly = !c.IsSet("receive") && !faulty // nobody has asked for more
	return nil
}

// faultsReceived reports whether a rule does something to packets that arrive.
func faultsReceived(r policy.Rule) bool { return r.RX != nil && *r.RX != (policy.Policy{}) }

func parsePolicy(flag, text string) (policy.Policy, error) {
	p, err := policy.Parse(text)
	if err != nil {
		return p, fmt.Errorf("%s: %w", flag, err)
	}
	return p, nil
}
