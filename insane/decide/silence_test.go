package decide

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/insane/observe"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// silent is a device that has sent packets to a host that its neighbours know, and to which
// nothing comes back.
func silent() (observe.Silence, api.Info) {
	s := observe.Silence{Looked: true, Answered: true}
	s.Sent, s.Asked, s.Began, s.Lasted = 12, 4, time.Second, 9100*time.Millisecond
	return s, api.Info{Name: "insane", Slave: "eth0", SlaveState: api.SlaveUp, Receive: api.ReceiveAuto,
		Takes: api.Takes{From: []string{"10.9.0.2/32"}}}
}

// asked makes a silence one in which nobody answers questions for an address.
func asked(s *observe.Silence, addr string) {
	s.Sent, s.Answered, s.Unanswered = 0, false, netip.MustParseAddr(addr)
}

// Each fact leads to the cause that a user can do something about; where nothing is known,
// nothing is said.
func TestSilence(t *testing.T) {
	const sent, nothing = "sent 12 packets in 9 s", ", nothing came back: "
	causes := slices.Clone(api.SilenceCauses())
	for _, tt := range []struct {
		what        string
		change      func(s *observe.Silence, i *api.Info)
		cause, text string
	}{
		{"nothing is known", func(*observe.Silence, *api.Info) {}, api.SilenceUnknown,
			sent + nothing + "neighbours answer, so it may be the other host, or something on the way"},
		{"few packets", func(s *observe.Silence, _ *api.Info) { s.Sent, s.Asked = 1, 1 }, "", ""},
		{"a short time", func(s *observe.Silence, _ *api.Info) { s.Lasted = time.Second }, "", ""},
		{"nobody has looked", func(s *observe.Silence, _ *api.Info) { s.Looked = false }, "", ""},
		{"only groups were sent to", func(s *observe.Silence, _ *api.Info) { s.Answered = false }, "", ""},
		{"the slave is down", func(_ *observe.Silence, i *api.Info) { i.SlaveState = api.SlaveDown }, "", ""},
		{"the interface is down", func(_ *observe.Silence, i *api.Info) { i.Takes.Idle = "insane is down" }, "", ""},
		{"nobody answers", func(s *observe.Silence, _ *api.Info) { asked(s, "10.9.0.9") }, api.SilenceNoNeighbour,
			"asked for neighbours 4 times in 9 s, nobody answered: 10.9.0.9 is down, or not in the network of eth0"},
		{"nobody answers, receive none", func(s *observe.Silence, i *api.Info) { asked(s, "10.9.0.9"); i.Receive = api.ReceiveNone },
			api.SilenceNoNeighbour, "asked for neighbours 4 times in 9 s, nobody answered: 10.9.0.9 is down, or not in the network of eth0"},
		{"no gateway", func(s *observe.Silence, _ *api.Info) { asked(s, "fd00:7::1"); s.OffLink = true }, api.SilenceNoGateway,
			"asked for neighbours 4 times in 9 s, nobody answered: fd00:7::1 is in no network of eth0; its route needs a gateway"},
		{"the host asks by itself", func(s *observe.Silence, _ *api.Info) { s.Sent, s.Answered = 0, false }, "", ""},
		{"all that were asked for answered", func(s *observe.Silence, _ *api.Info) { s.Sent = 0 }, "", ""},
		{"receive none", func(_ *observe.Silence, i *api.Info) { i.Receive = api.ReceiveNone }, "", ""},
		{"receive none and rp_filter", func(s *observe.Silence, i *api.Info) { i.Receive, s.Strict = api.ReceiveNone, true },
			api.SilenceReversePath, sent + ": IPv4 answers arrive at eth0, which refuses them; " +
				"use receive auto, or set rp_filter of all and of eth0 to 0 or 2"},
		{"a port of a bridge", func(s *observe.Silence, _ *api.Info) { s.Bridge = "br0" }, api.SilenceBridgePort,
			sent + nothing + "eth0 is a port of br0, which keeps what is sent to its own address; make br0 the slave"},
		{"a rule of another table", func(_ *observe.Silence, i *api.Info) { i.Takes.From = nil }, api.SilenceNotTaken,
			sent + nothing + "no route of the main table leads through insane, so that answers stay with eth0; add one"},
		{"receive all", func(_ *observe.Silence, i *api.Info) { i.Takes, i.Receive = api.Takes{}, api.ReceiveAll }, api.SilenceUnknown,
			sent + nothing + "neighbours answer, so it may be the other host, or something on the way"},
	} {
		s, i := silent()
		tt.change(&s, &i)
		var want *api.Silence
		if tt.cause != "" {
			want = &api.Silence{Cause: tt.cause, Text: tt.text}
			causes = slices.DeleteFunc(causes, func(c string) bool { return c == tt.cause })
		}
		if diff := cmp.Diff(want, Silence(s, i)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.what, diff)
		}
	}
	if len(causes) > 0 {
		t.Errorf("nothing leads to %v", causes)
	}
}
