package cli

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/insanely/api"
)

func TestTakesLines(t *testing.T) {
	both := api.Takes{To: []string{"10.8.0.1", "fd00:8::1"}, From: []string{"10.9.0.2", "10.8.0.0/24"}}
	for name, test := range map[string]struct {
		receive string
		takes   api.Takes
		want    []string
	}{
		"none":           {api.ReceiveNone, api.Takes{}, []string{"nothing: answers of ARP and neighbour discovery are copied"}},
		"none, and down": {api.ReceiveNone, api.Takes{Idle: "insane is down"}, []string{"nothing: answers of ARP and neighbour discovery are copied"}},
		"all":            {api.ReceiveAll, api.Takes{}, []string{"everything that arrives at eth0"}},
		"all, and down":  {api.ReceiveAll, api.Takes{Idle: "insane is down"}, []string{"nothing: insane is down"}},
		"auto":           {api.ReceiveAuto, both, []string{"to 10.8.0.1 fd00:8::1", "from 10.9.0.2 10.8.0.0/24"}},
		"auto, and down": {api.ReceiveAuto, api.Takes{To: both.To, From: both.From, More: 1, Idle: "insane is down"}, []string{"nothing: insane is down"}},
		"addresses":      {api.ReceiveAuto, api.Takes{To: both.To}, []string{"to 10.8.0.1 fd00:8::1"}},
		"routes":         {api.ReceiveAuto, api.Takes{From: both.From}, []string{"from 10.9.0.2 10.8.0.0/24"}},
		"more":           {api.ReceiveAuto, api.Takes{To: both.To, More: 12}, []string{"to 10.8.0.1 fd00:8::1", "… and 12 more"}},
		"auto, not yet": {api.ReceiveAuto, api.Takes{To: []string{}, From: []string{}},
			[]string{"nothing yet: the interface has no address of its own and no route leads through it"}},
		"single hosts": {api.ReceiveAuto, api.Takes{
			To:   []string{"10.8.0.1/32", "fd00:8::1/128"},
			From: []string{"10.9.0.2/32", "10.9.0.2/31", "0.0.0.0/0", "fd00:9::2/128", "::/0"},
		}, []string{"to 10.8.0.1 fd00:8::1", "from 10.9.0.2 10.9.0.2/31 0.0.0.0/0 fd00:9::2 ::/0"}},
		// A daemon that is newer than this command.
		"mode of a newer daemon":     {"some", api.Takes{}, nil},
		"its lists":                  {"some", both, []string{"to 10.8.0.1 fd00:8::1", "from 10.9.0.2 10.8.0.0/24"}},
		"what may be no address yet": {api.ReceiveAuto, api.Takes{To: []string{"vlan 5"}}, []string{"to vlan 5"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := takesLines(api.Info{Slave: "eth0", Receive: test.receive, Takes: test.takes})
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

// However many addresses there are, all are shown, in order and in lines that
// fit a terminal even behind the longest name.
func TestLongListsAreFolded(t *testing.T) {
	info := busyInfo()
	info.Name, info.Takes = "abcdefghijklmno", api.Takes{More: 1000}
	for i := range api.MaxTakes / 2 {
		info.Takes.To = append(info.Takes.To, fmt.Sprintf("2001:db8:1111:2222:3333:4444:5555:%x", 0x1000+i))
		info.Takes.From = append(info.Takes.From, fmt.Sprintf("10.%d.0.0/16", i))
	}
	_, text, _ := strings.Cut(deviceText(info), "takes")
	text, _, _ = strings.Cut(text, "slave ")
	for line := range strings.Lines("takes" + text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	want := "to " + strings.Join(info.Takes.To, " ") + " from " + strings.Join(info.Takes.From, " ") + " … and 1000 more"
	if diff := cmp.Diff(want, strings.Join(strings.Fields(text), " ")); diff != "" {
		t.Errorf("lists (-want +got):\n%s", diff)
	}
}

// A word that is too long for any line has one of its own, and none before it.
func TestListLinesOfLongWords(t *testing.T) {
	long := strings.Repeat("x", takesWidth+1)
	if diff := cmp.Diff([]string{"to " + long, "   a b", "   " + long}, listLines("to", []string{long, "a", "b", long})); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}
