package cli

import (
	"strings"
	"testing"
)

// Flags go to the front, subcommands' flags behind their subcommand, and words
// keep their order.
func TestSortArgs(t *testing.T) {
	for _, test := range []struct {
		line, want    string
		json, literal bool
	}{
		{"", "--", false, false},
		{"eth0 percent 80", "-- eth0 percent 80", false, false},
		{"eth0 percent 80 --json", "--json -- eth0 percent 80", true, false},
		{"eth0 -json percent --seed 7 80", "-json --seed 7 -- eth0 percent 80", true, false},
		{"eth0 --seed=7 pass --name x", "--seed=7 --name x -- eth0 pass", false, false},
		{"eth0 percent -5", "-- eth0 percent -5", false, false},
		{"eth0 time -.5s -", "-- eth0 time -.5s -", false, false},
		{"--json=false eth0", "--json=false -- eth0", false, false},
		{"--json=true eth0", "--json=true -- eth0", true, false},
		{"--name --json pass", "--name --json -- pass", false, false},
		{"stats --json", "--json stats --", true, false},
		{"--interval 1s watch --json --count 2", "--json watch --interval 1s --count 2 --", true, false},
		{"watch x --count=2", "watch --count=2 -- x", false, false},
		{"rule add --json dns udp port 53 tx percent -5 --wait 1s", "--json --wait 1s rule -- add dns udp port 53 tx percent -5", true, false},
		{"rules load - --json", "--json rules -- load -", true, false},
		{"-- rule percent 5", "-- rule percent 5", false, true},
		{"-- stats pass", "-- stats pass", false, true},
		{"--json -- --name -- pass", "--json -- --name -- pass", true, true},
		{"eth0 -- --json", "-- eth0 --json", false, false},
		{"stats -- --json", "stats -- --json", false, false},
		{"watch --count 2 --help", "--help --", false, false},
		{"eth0 pass -h", "-h --", false, false},
	} {
		t.Run(test.line, func(t *testing.T) {
			app := new(program).app()
			args := append([]string{"insanely"}, strings.Fields(test.line)...)
			got, err := sortArgs(app, args)
			if err != nil {
				t.Fatal(err)
			}
			if text := strings.Join(got.argv, " "); text != "insanely "+test.want {
				t.Errorf("%q, want %q", text, "insanely "+test.want)
			}
			if got.json != test.json || got.literal != test.literal {
				t.Errorf("json %t, literal %t", got.json, got.literal)
			}
			if text := strings.Join(args[1:], " "); text != test.line {
				t.Errorf("the arguments became %q", text)
			}
		})
	}
}

// Of several things that are wrong the first is said, and --json is heeded
// wherever it stands.
func TestSortArgsErrors(t *testing.T) {
	for line, want := range map[string]string{
		"--bogus --worse --json": `"--bogus"`,
		"--json eth0 --bogus":    `"--bogus"`,
		"--json --bogus --wait":  `"--bogus"`,
		"--json eth0 --wait":     "--wait",
	} {
		got, err := sortArgs(new(program).app(), append([]string{"insanely"}, strings.Fields(line)...))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", line, err, want)
		}
		if !got.json {
			t.Errorf("%s: json is not known", line)
		}
	}
}
