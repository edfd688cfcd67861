// Package session keeps a way open for the person who starts a device or changes it from an ssh
// session: a rule in front of all others passes the packets of that connection. It is pure: who
// calls it knows by which way the packets go.
package session

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/match"
)

// RuleName is the name of the rule that passes a session. Those of further sessions have a
// number behind it.
const RuleName = "ssh-session"

// Way is how packets of a session come to a device, and the policies that they meet there.
type Way struct {
	// Through reports whether packets to an address leave by the interface of the device.
	Through func(to, source netip.Addr) bool
	Receive string         // one of the api.Receive… modes
	TX, RX  *policy.Policy // of the directions
}

// Protect returns rules with which the packets of a session are passed, which the text of
// SSH_CONNECTION tells; nil: there is none. These are the given rules, unless the packets come
// to the device and one of the rules or a policy would do anything else to one of them: then a
// rule more comes in front, if there is room for it. In mode auto the device takes what arrives
// from hosts to which it sends. The error is an *api.Error.
func (w Way) Protect(text *string, rules policy.Rules) (policy.Rules, error) {
	if text == nil {
		return rules, nil
	}
	s, err := api.ParseSession(*text)
	if err != nil {
		return nil, api.Errorf(api.ErrInvalid, "session", "session: %s: %v", api.ShowText(strconv.Quote(*text)), err)
	}
	tx := w.Through(s.Client.Addr(), s.Server.Addr())
	rx := w.Receive == api.ReceiveAll || w.Receive == api.ReceiveAuto && tx
	if (tx && faulted(s, rules, policy.TX, w.TX) || rx && faulted(s, rules, policy.RX, w.RX)) && len(rules) < policy.MaxRules {
		return inFront(s, rules)
	}
	return rules, nil
}

// Add returns rules with one more in front. If one of this name is there, or there is no room,
// they stay as they are.
func Add(r policy.Rule, rules policy.Rules) policy.Rules {
	if _, there := rules.Find(r.Name); there || len(rules) >= policy.MaxRules {
		return rules
	}
	return append(policy.Rules{r}, rules...)
}

// inFront returns the rules behind one that passes the session.
func inFront(s api.Session, rules policy.Rules) (policy.Rules, error) {
	m, err := match.Parse(strings.Fields(fmt.Sprintf("tcp host %v port %d host %v port %d",
		s.Client.Addr(), s.Client.Port(), s.Server.Addr(), s.Server.Port())))
	if err != nil {
		return nil, fmt.Errorf("match the session: %w", err)
	}
	first := policy.Rule{Name: RuleName, Match: m, TX: new(policy.Policy), RX: new(policy.Policy)}
	for i := 2; ; i++ {
		if _, there := rules.Find(first.Name); !there {
			return append(policy.Rules{first}, rules...), nil
		}
		first.Name = RuleName + "-" + strconv.Itoa(i)
	}
}

// lengths are those of packets that rules may tell apart: an ACK, a key stroke, and as much as
// Ethernet carries.
var lengths = [...]uint32{54, 66, 100, 600, 1400, 1514, 9014}

// faulted reports whether a packet of the session in this direction meets another policy than
// pass. own is the policy of the direction.
func faulted(s api.Session, rules policy.Rules, d policy.Direction, own *policy.Policy) bool {
	var matches []match.Match
	var policies []*policy.Policy
	for i := range rules {
		if p := rules[i].Policy(d); p != nil {
			matches, policies = append(matches, rules[i].Match), append(policies, p)
		}
	}
	table, key := match.NewTable(matches), keyOf(s, d)
	for _, length := range lengths {
		p := own
		if place, there := table.Lookup(&key, length); there {
			p = policies[place]
		}
		if *p != (policy.Policy{}) {
			return true
		}
	}
	return false
}

// keyOf returns the key of a packet of the session.
func keyOf(s api.Session, d policy.Direction) match.Key {
	const ipv4, ipv6, tcp = 0x0800, 0x86dd, 6
	from, to := s.Server, s.Client
	if d == policy.RX {
		from, to = to, from
	}
	k := match.Key{
		EtherType: ipv4, Has: match.HasIPv4 | match.HasDSCP | match.HasProtocol | match.HasPorts,
		Protocol: tcp, Flags: match.ACK, SourcePort: from.Port(), DestinationPort: to.Port(),
	}
	if from.Addr().Is6() {
		k.EtherType, k.Has = ipv6, k.Has&^match.HasIPv4|match.HasIPv6
	}
	copy(k.Source[:], from.Addr().AsSlice())
	copy(k.Destination[:], to.Addr().AsSlice())
	return k
}
