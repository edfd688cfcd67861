package decide

import (
	"fmt"

	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Silence explains to a user why packets are sent and nothing comes back: what was sent, and
// the likeliest cause. That is one warning, or none if something does come back, if the state
// of the device in i says enough, and if nothing is known. It is a pure function, and may be
// called by any goroutine.
func Silence(s observe.Silence, i api.Info) []api.Warning {
	kind, message := "", ""
	switch pass := "pass"; {
	case i.SlaveState != api.SlaveUp || i.Takes.Idle != "":
	case i.JudgeNeighbours && (i.TX.Policy != pass || i.RX.Policy != pass):
	case s.Unanswered.IsValid():
		kind, message = unanswered(s, i)
	case s.Long() && s.Looked && s.Answered && s.Sent > 0: // if only groups were sent to, they need not answer
		kind, message = unheard(s, i)
	}
	if kind == "" {
		return nil
	}
	return []api.Warning{{Kind: kind, Message: message}}
}

// unanswered is about neighbours that do not answer, although others may.
func unanswered(s observe.Silence, i api.Info) (kind, message string) {
	others := ""
	if s.Others > 0 {
		others = fmt.Sprintf(" and %d more", s.Others)
	}
	asked := fmt.Sprintf("asked for %s%s for %d s, nobody answered: it ", s.Unanswered, others, seconds(s.Waited))
	if s.OffLink {
		return api.WarnNoGateway, asked + fmt.Sprintf("is in no network of %s, so its route needs a gateway", i.Slave)
	}
	return api.WarnNoNeighbour, asked + fmt.Sprintf("is down, or not in the network of %s", i.Slave)
}

// unheard is about packets to neighbours that have answered questions. What is certain goes
// before what is likely. With receive none, the device does not see what comes back.
func unheard(s observe.Silence, i api.Info) (kind, message string) {
	sent := fmt.Sprintf("sent %d packets in %d s", s.Sent, seconds(s.Lasted))
	switch {
	case i.Receive == api.ReceiveNone && s.Strict:
		return api.WarnReversePath, sent + fmt.Sprintf(": IPv4 answers arrive at %s, which refuses them; "+
			"use receive auto, or set rp_filter of all and of %[1]s to 0 or 2", i.Slave)
	case i.Receive == api.ReceiveNone:
		return "", ""
	case s.Foreign.IsValid():
		return api.WarnForeignSource, sent + fmt.Sprintf(", nothing came back: some left with the source %s, which is no address of this host; "+
			"the other side needs a route to it, or this host a NAT rule for %s", s.Foreign, i.Name)
	case s.Bridge != "":
		return api.WarnBridgePort, sent + fmt.Sprintf(", nothing came back: %s is a port of %s, "+
			"which keeps what is sent to its own address; make %[2]s the slave", i.Slave, s.Bridge)
	}
	return api.WarnNoAnswer, sent + ", nothing came back: neighbours answer, so it may be the other host, or something on the way"
}

// seconds rounds a time to whole seconds.
func seconds(d interface{ Seconds() float64 }) int { return int(d.Seconds() + 0.5) }
