package cli

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/insanely/api"
)

var update = flag.Bool("update", false, "write the golden files anew")

// views are devices in all states, each with a golden file of its name.
var views = map[string]func(*api.Info){
	"idle": func(info *api.Info) { *info = idleInfo() },
	"busy": func(*api.Info) {},
	"down": func(info *api.Info) {
		info.SlaveState, info.Carrier = api.SlaveDown, false
		info.RX.Stats.Dropped[api.DropSlaveDown] = api.Count{Packets: 1, Bytes: 60}
	},
	"gone": func(info *api.Info) {
		info.SlaveState, info.Carrier = api.SlaveGone, false
		info.Takes.Idle = "there is no slave"
		info.TX.Stats.Dropped[api.DropSlaveGone] = api.Count{Packets: 123456, Bytes: 12345678}
	},
	"every-reason": func(info *api.Info) {
		for i, reason := range api.DropReasons() {
			info.TX.Stats.Dropped[reason] = api.Count{Packets: uint64(i + 1), Bytes: uint64(100 * (i + 1))}
		}
		info.RX.Stats.Held = api.Count{Packets: 2, Bytes: 200}
		info.RX.Stats.Neighbour = api.Count{Packets: 3, Bytes: 126}
		info.JudgeNeighbours = true
	},
	"extremes": func(info *api.Info) {
		const most = 1<<64 - 1
		info.Name, info.Slave, info.MTU, info.Seed = "abcdefghijklmno", "onmlkjihgfedcba", 65535, most
		info.TX.Policy = "percent 99.999999 time 1000000h0m0s 999999h59m59.999999999s"
		info.TX.Verdicts = api.Verdicts{Relay: most / 2, Drop: 1}
		info.TX.Stats.Offered = api.Count{Packets: most, Bytes: most}
		info.RX.Stats.Overruns = most
		info.PathReason = ""
	},
	"overrun": func(info *api.Info) { info.RX.Stats.Overruns = 12345678901 },
	// A daemon that is newer than this command.
	"newer": func(info *api.Info) {
		info.SlaveState, info.Receive, info.Path = "asleep", "some", "kernel"
		info.Takes = api.Takes{}
		info.TX.Policy = "warp 20ms"
		info.RX.Stats.Dropped["too-late"] = api.Count{Packets: 5, Bytes: 500}
	},
	// A link may be called like this.
	"hostile": func(info *api.Info) {
		info.Slave, info.PathReason, info.Takes.Idle = "\x1b[2J\x07\u202e", "a\x00b", "\x1b[2J is down"
	},
	"warned": func(info *api.Info) {
		info.Warnings = []api.Warning{{Kind: api.WarnAway, Message: "insane is elsewhere"}, {Kind: api.WarnQueue, Message: "somebody took a queue"}}
	},
	"log-dropped":   func(info *api.Info) { info.LogDropped = 3 },
	"transmit-only": func(info *api.Info) { info.Receive, info.Takes = api.ReceiveNone, api.Takes{} },
	"everything": func(info *api.Info) {
		info.Receive, info.Takes = api.ReceiveAll, api.Takes{}
		info.RX.Policy, info.RX.Verdicts = "time 500ms 1s", api.Verdicts{Relay: 4, Drop: 8}
	},
}

func TestDeviceText(t *testing.T) {
	for name, change := range views {
		t.Run(name, func(t *testing.T) {
			info := busyInfo()
			change(&info)
			checkGolden(t, name, api.ShowText(deviceText(info)))
		})
	}
}

func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "device", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

// Whatever the numbers, columns end where their headings end, in both
// directions, and no line ends in a blank.
func TestColumnsAlign(t *testing.T) {
	for name, change := range views {
		info := busyInfo()
		change(&info)
		packets, bytes := -1, -1
		for line := range strings.Lines(deviceText(info)) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasSuffix(line, " ") {
				t.Errorf("%s: %q ends in a blank", name, line)
			}
			if i := strings.Index(line, "packets  "); strings.HasSuffix(line, "bytes") && i >= 0 {
				if packets >= 0 && (packets != i+len("packets") || bytes != len(line)) {
					t.Errorf("%s: headings of tx and rx differ", name)
				}
				packets, bytes = i+len("packets"), len(line)
				continue
			}
			for _, label := range []string{"        offered ", "        relayed ", "        dropped ", "        held "} {
				if strings.HasPrefix(line, label) && (len(line) != bytes || line[packets] != ' ' || line[packets-1] == ' ') {
					t.Errorf("%s: %q is not under its heading", name, line)
				}
			}
		}
		if packets < 0 {
			t.Errorf("%s: no heading", name)
		}
	}
}

func TestHeadIsTheOriginals(t *testing.T) {
	for policy, want := range map[string]string{
		"pass":                      "slave: eth0\nmode: pass\narguments:\n\n",
		"percent 60":                "slave: eth0\nmode: percent\narguments: 60\n\n",
		"time 500ms 1s":             "slave: eth0\nmode: time\narguments: 500ms 1s\n\n",
		"percent 9.5 time 10ms 1s":  "slave: eth0\nmode: percent+time\narguments: 9.5 10ms 1s\n\n",
		"something nobody has seen": "slave: eth0\nmode: something nobody has seen\narguments:\n\n",
	} {
		info := busyInfo()
		info.TX.Policy = policy
		info.SlaveState = api.SlaveGone // is no business of these lines
		if got := deviceText(info); !strings.HasPrefix(got, want) {
			t.Errorf("%s: begins %q, want %q", policy, got[:len(want)], want)
		}
	}
}
