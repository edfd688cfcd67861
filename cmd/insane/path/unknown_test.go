package path

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// odd is a stage that drops each second packet, as a developer would add it without
// changing the C.
const odd = `package policy

type odd struct{ set bool }

func (s *odd) given() bool                              { return s.set }
func (s *odd) parse(c *cursor)                          { s.set = true }
func (s *odd) words() string                            { return "" }
func (s *odd) compile(prog *Program, _ Time, _ uint64)  { prog.OddSet = 1 }
func (s *odd) usage() string                            { return "odd" }
func (s *odd) summary() string                          { return "drop each second packet" }
func (s *odd) meaning() meaning                         { return meaning{alone: "each second packet dropped"} }
func (s *odd) share() (Share, bool)                     { return Share{Part: 1, Of: 2}, true }
func (p *Program) oddDrops(seq uint64) bool             { return p.OddSet&seq == 1 }
`

// oddLines are the lines of the stage in files of package policy; each is added behind an
// existing line. Its field comes after the fields that the kernel knows.
var oddLines = []struct{ file, at, line string }{
	{"stages.go", "type Policy struct {\n", "\todd odd\n"},
	{"stages.go", "\tByPercent   Stage = 1\n", "\tbyOdd Stage = StageNumbers - 1\n"},
	{"stages.go", "var table = []row{\n", "\t{\"odd\", byOdd, func(p *Policy) stage { return &p.odd }},\n"},
	{"program.go", "\tSlotKey     uint64\n", "\tOddSet uint64\n"},
	{"program.go", "\tby := Relay\n\tswitch {\n", "\tcase p.oddDrops(seq):\n\t\tby = byOdd\n"},
	{"program.go", "Uniform(segments uint32) bool {\n", "\tif p.OddSet != 0 && segments > 1 {\n\t\treturn false\n\t}\n"},
}

// buildOdd builds the insane command with the stage and does not change the sources.
func buildOdd(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir, files := t.TempDir(), map[string]string{"odd.go": odd}
	for _, l := range oddLines {
		with, changed := files[l.file]
		if !changed {
			text, err := os.ReadFile(filepath.Join(root, "policy", l.file))
			if err != nil {
				t.Fatal(err)
			}
			with = string(text)
		}
		if strings.Count(with, l.at) != 1 {
			t.Fatalf("%s has no place behind %q", l.file, l.at)
		}
		files[l.file] = strings.Replace(with, l.at, l.at+l.line, 1)
	}
	replace := map[string]string{}
	for name, text := range files {
		place := filepath.Join(root, "policy", name)
		replace[place] = filepath.Join(dir, name)
		if err := os.WriteFile(replace[place], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	file, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "insane")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-overlay", file, "-o", binary, "./cmd/insane")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build with another stage: %v\n%s", err, out)
	}
	return binary
}

// A stage that package policy has and the C does not works on every requested path: the
// relay carries it out, and the device shows the reason.
func TestStageThatTheKernelCannotDo(t *testing.T) {
	labtest.NeedRoot(t)
	l, err := lab.New(lab.Options{Insane: []string{buildOdd(t)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close lab: %v", err)
		}
	})
	d := labtest.StartDaemon(t, l, "--slave", lab.Link, "--path", api.PathKernel, "--receive", api.ReceiveNone,
		"--route", l.Morgana.IPv4.String())
	if i := labtest.Info(t, d); i.TX.Path != api.PathKernel {
		t.Fatalf("tx: path %s: %s", i.TX.Path, i.TX.PathReason)
	}
	for _, text := range []string{"odd", "percent 100 odd"} {
		before := labtest.Info(t, d).TX.Stats
		i := labtest.Set(t, d, api.Change{TX: &text})
		if want := "the kernel cannot do odd"; i.TX.Path != api.PathRelay || i.TX.PathReason != want {
			t.Errorf("%s: path %s: %q, want %q", text, i.TX.Path, i.TX.PathReason, want)
		}
		ping := l.Borea.Command(context.Background(), "ping", "-q", "-c", "40", "-i", "0.01", "-W", "1", l.Morgana.IPv4.String())
		out, _ := ping.CombinedOutput() // its status says whether anything came back
		s := labtest.Info(t, d).TX.Stats
		offered, dropped := s.Offered.Packets-before.Offered.Packets, s.Stages["odd"].Packets-before.Stages["odd"].Packets
		if offered < 40 || dropped+1 < offered/2 || dropped > offered/2+1 {
			t.Errorf("%s: %d of %d packets dropped, want each second\n%s", text, dropped, offered, out)
		}
		labtest.CheckCounters(t, s)
	}
	pass := "pass"
	if i := labtest.Set(t, d, api.Change{TX: &pass}); i.Path != api.PathKernel {
		t.Errorf("path %s: %s, with stages that the kernel knows", i.Path, i.PathReason)
	}
}
