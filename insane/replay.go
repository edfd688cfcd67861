package insane

import (
	"github.com/seed-39a139a1/insane/insane/replay"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Replay sets the policies, the rules and the seed of a recording, and gives the packets that were
// recorded the verdicts that they had: all of that or nothing. The relay carries everything until
// a policy, the rules, the seed or what is judged of neighbours is set; the policies stay then. It
// returns the state before and after, and waits like Change, whose errors it has.
func (d *Device) Replay(t *replay.Table, by *api.Peer) (before, after api.Info, err error) {
	s := &t.Head().Setup
	rules, err := policy.ParseRules(s.Rules, "rules")
	if err != nil {
		return before, after, api.Errorf(api.ErrInvalid, "replay", "replay: %v", err)
	}
	c := api.Change{
		Slave: t.Head().Slave, Session: t.Head().Session, TX: &s.TX, RX: &s.RX, Seed: &s.Seed, JudgeNeighbours: &s.JudgeNeighbours,
	}
	return d.change(c, by, &replayed{t, rules, t.Head().Name})
}

// replayed is a recording that is to be replayed, and its rules.
type replayed struct {
	table *replay.Table
	rules policy.Rules
	name  string // of the file
}

// replayInfo returns how far a replay has come; nil: there is none.
func replayInfo(t *replay.Table) *api.Replay {
	if t == nil {
		return nil
	}
	c := t.Counts()
	return &api.Replay{
		Name: api.ShowName(t.Head().Name), Flows: c.Connections, Packets: c.Packets, Met: c.Met, Others: c.Others,
	}
}
