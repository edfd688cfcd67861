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
		TX: api.Direction{Policy: "pass"}, RX: api.Direction{Policy: "pass"}}
}

// asks makes nobody answer questions for an address.
func asks(s *observe.Silence, addr string) {
	s.Unanswered, s.Waited = netip.MustParseAddr(addr), 7*time.Second
}

// Each fact leads to the warning that a user can do something about; where nothing is known,
// nothing is said.
func TestSilence(t *testing.T) {
	const sent, nothing = "sent 12 packets in 9 s", ", nothing came back: "
	const down = "asked for 10.9.0.9 for 7 s, nobody answered: it is down, or not in the network of eth0"
	all := api.WarningKinds()
	kinds := all[slices.Index(all, api.WarnNoGateway):]
	for _, tt := range []struct {
		what          string
		change        func(s *observe.Silence, i *api.Info)
		kind, message string
	}{
		{"nothing is known", func(*observe.Silence, *api.Info) {}, api.WarnNoAnswer,
			sent + nothing + "neighbours answer, so it may be the other host, or something on the way"},
		{"few packets", func(s *observe.Silence, _ *api.Info) { s.Sent, s.Asked = 1, 1 }, "", ""},
		{"a short time", func(s *observe.Silence, _ *api.Info) { s.Lasted = time.Second }, "", ""},
		{"nobody has looked", func(s *observe.Silence, _ *api.Info) { s.Looked = false }, "", ""},
		{"only groups were sent to", func(s *observe.Silence, _ *api.Info) { s.Answered = false }, "", ""},
		{"only questions were sent", func(s *observe.Silence, _ *api.Info) { s.Sent = 0 }, "", ""},
		{"the slave is down", func(s *observe.Silence, i *api.Info) { asks(s, "10.9.0.9"); i.SlaveState = api.SlaveDown }, "", ""},
		{"the interface is down", func(s *observe.Silence, i *api.Info) { asks(s, "10.9.0.9"); i.Takes.Idle = "insane is down" }, "", ""},
		{"nobody answers", func(s *observe.Silence, _ *api.Info) { asks(s, "10.9.0.9") }, api.WarnNoNeighbour, down},
		{"one does not answer, and all else works", func(s *observe.Silence, _ *api.Info) {
			*s = observe.Silence{}
			asks(s, "10.9.0.9")
		}, api.WarnNoNeighbour, down},
		{"several do not answer", func(s *observe.Silence, _ *api.Info) { asks(s, "10.9.0.9"); s.Others = 2 }, api.WarnNoNeighbour,
			"asked for 10.9.0.9 and 2 more for 7 s, nobody answered: it is down, or not in the network of eth0"},
		{"nobody answers, receive none", func(s *observe.Silence, i *api.Info) { asks(s, "10.9.0.9"); i.Receive = api.ReceiveNone },
			api.WarnNoNeighbour, down},
		{"questions are judged and passed", func(s *observe.Silence, i *api.Info) { asks(s, "10.9.0.9"); i.JudgeNeighbours = true },
			api.WarnNoNeighbour, down},
		{"a policy may drop questions", func(s *observe.Silence, i *api.Info) {
			asks(s, "10.9.0.9")
			i.JudgeNeighbours, i.TX.Policy = true, "percent 10"
		}, "", ""},
		{"a policy may drop answers", func(s *observe.Silence, i *api.Info) {
			asks(s, "10.9.0.9")
			i.JudgeNeighbours, i.RX.Policy = true, "percent 10"
		}, "", ""},
		{"no gateway", func(s *observe.Silence, _ *api.Info) { asks(s, "fd00:7::1"); s.OffLink = true }, api.WarnNoGateway,
			"asked for fd00:7::1 for 7 s, nobody answered: it is in no network of eth0, so its route needs a gateway"},
		{"receive none", func(_ *observe.Silence, i *api.Info) { i.Receive = api.ReceiveNone }, "", ""},
		{"receive none and rp_filter", func(s *observe.Silence, i *api.Info) { i.Receive, s.Strict = api.ReceiveNone, true },
			api.WarnReversePath, sent + ": IPv4 answers arrive at eth0, which refuses them; " +
				"use receive auto, or set rp_filter of all and of eth0 to 0 or 2"},
		{"a source of nobody", func(s *observe.Silence, _ *api.Info) { s.Foreign, s.Bridge = netip.MustParseAddr("172.17.0.2"), "br0" }, api.WarnForeignSource,
			sent + nothing + "some left with the source 172.17.0.2, which is no address of this host; " +
				"the other side needs a route to it, or this host a NAT rule for insane"},
		{"a port of a bridge", func(s *observe.Silence, _ *api.Info) { s.Bridge = "br0" }, api.WarnBridgePort,
			sent + nothing + "eth0 is a port of br0, which keeps what is sent to its own address; make br0 the slave"},
	} {
		s, i := silent()
		tt.change(&s, &i)
		var want []api.Warning
		if tt.kind != "" {
			want = []api.Warning{{Kind: tt.kind, Message: tt.message}}
			kinds = slices.DeleteFunc(kinds, func(k string) bool { return k == tt.kind })
		}
		if diff := cmp.Diff(want, Silence(s, i)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.what, diff)
		}
	}
	if len(kinds) > 0 {
		t.Errorf("nothing leads to %v", kinds)
	}
}
