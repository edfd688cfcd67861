package decide

import (
	"fmt"

	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Silence explains to a user why packets are sent and nothing comes back: what was sent, and
// the likeliest cause. It returns nil if something does come back, if the state of the device
// in i says enough, and if nothing is known. It is a pure function, and may be called by any
// goroutine.
func Silence(s observe.Silence, i api.Info) *api.Silence {
	if !s.Long() || !s.Looked || i.SlaveState != api.SlaveUp || i.Takes.Idle != "" {
		return nil
	}
	cause, why := likeliest(s, i)
	if cause == "" {
		return nil
	}
	return &api.Silence{Cause: cause, Text: happened(s, i) + ": " + why}
}

// happened says what was sent, and what came.
func happened(s observe.Silence, i api.Info) string {
	in := int(s.Lasted.Seconds() + 0.5)
	switch {
	case s.Sent == 0:
		return fmt.Sprintf("asked for neighbours %d times in %d s, nobody answered", s.Asked, in)
	case i.Receive == api.ReceiveNone:
		return fmt.Sprintf("sent %d packets in %d s", s.Sent, in)
	}
	return fmt.Sprintf("sent %d packets in %d s, nothing came back", s.Sent, in)
}

// likeliest returns the cause and its explanation. What is certain goes before what is
// likely. With receive none, the device does not see what comes back.
func likeliest(s observe.Silence, i api.Info) (cause, why string) {
	switch {
	case s.Sent == 0 && s.Unanswered.IsValid() && s.OffLink:
		return api.SilenceNoGateway, fmt.Sprintf("%s is in no network of %s; its route needs a gateway", s.Unanswered, i.Slave)
	case s.Sent == 0 && s.Unanswered.IsValid():
		return api.SilenceNoNeighbour, fmt.Sprintf("%s is down, or not in the network of %s", s.Unanswered, i.Slave)
	case s.Sent == 0 || !s.Answered:
		return "", "" // only groups were sent to, which need not answer
	case i.Receive == api.ReceiveNone && s.Strict:
		return api.SilenceReversePath, fmt.Sprintf("IPv4 answers arrive at %s, which refuses them; "+
			"use receive auto, or set rp_filter of all and of %[1]s to 0 or 2", i.Slave)
	case i.Receive == api.ReceiveNone:
		return "", ""
	case s.Bridge != "":
		return api.SilenceBridgePort, fmt.Sprintf("%s is a port of %s, which keeps what is sent to its own address; make %[2]s the slave",
			i.Slave, s.Bridge)
	case i.Receive == api.ReceiveAuto && len(i.Takes.From) == 0:
		return api.SilenceNotTaken, fmt.Sprintf("no route of the main table leads through %s, so that answers stay with %s; add one", i.Name, i.Slave)
	}
	return api.SilenceUnknown, "neighbours answer, so it may be the other host, or something on the way"
}
