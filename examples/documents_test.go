package examples_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/seed-39a139a1/insane/insanely/api"
)

var (
	fence   = regexp.MustCompile("(?ms)^```.*?^```$")
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// documents are the Markdown files of the project with their texts, without what is
// shown as code in them.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := make(map[string]string)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if path == "../bin" || path == "../dist" { // what make has built
			return fs.SkipDir
		}
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		texts[path] = fence.ReplaceAllString(string(text), "")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// anchors are the headings of a document as links name them.
func anchors(text string) (list []string) {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		list = append(list, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1]))
	}
	return list
}

// Every link from one document of the project to another leads somewhere.
func TestLinks(t *testing.T) {
	texts, links := documents(t), 0
	for path, text := range texts {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			file, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			links++
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: link to %s: %v", path, m[1], err)
			} else if anchor != "" && !slices.Contains(anchors(texts[target]), anchor) {
				t.Errorf("%s: link to %s: no such heading", path, m[1])
			}
		}
	}
	if links < 20 {
		t.Errorf("%d links found in %d documents: the search missed them", links, len(texts))
	}
}

// rooms are the directories that the tree under "The rooms" of ARCHITECTURE.md names.
func rooms(t *testing.T) (paths []string) {
	t.Helper()
	_, text, _ := strings.Cut(read(t, "../ARCHITECTURE.md"), "## The rooms\n\n```\n")
	text, _, found := strings.Cut(text, "```")
	if !found {
		t.Fatal("ARCHITECTURE.md has no tree of rooms")
	}
	var above []string
	for line := range strings.Lines(text) {
		name, _, isRoom := strings.Cut(strings.TrimLeft(line, " "), "/ ")
		if !isRoom {
			t.Fatalf("ARCHITECTURE.md: no room in %q", line)
		}
		depth := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		if depth > len(above) {
			t.Fatalf("ARCHITECTURE.md: %q is too far to the right", line)
		}
		above = append(above[:depth], name)
		paths = append(paths, strings.Join(above, "/"))
	}
	return paths
}

// The tree of ARCHITECTURE.md has every package, and no directory that is not there.
func TestArchitectureHasEveryPackage(t *testing.T) {
	command := exec.Command("go", "list", "./...")
	command.Dir = ".."
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	tree := rooms(t)
	for _, path := range strings.Fields(string(out)) {
		room := strings.TrimPrefix(path, "github.com/seed-39a139a1/insane/")
		if !slices.Contains(tree, room) {
			t.Errorf("ARCHITECTURE.md does not name %s", room)
		}
	}
	for _, room := range tree {
		if info, err := os.Stat(filepath.Join("..", room)); err != nil || !info.IsDir() {
			t.Errorf("ARCHITECTURE.md names %s, which is no directory", room)
		}
	}
}

// CONTRIBUTING.md names every target of "make help", and no document one that is not
// there.
func TestMakeTargets(t *testing.T) {
	target := regexp.MustCompile(`(?m)^([a-z-]+):[^#\n]*## `)
	var targets []string
	guide := read(t, "../CONTRIBUTING.md")
	for _, m := range target.FindAllStringSubmatch(read(t, "../Makefile"), -1) {
		targets = append(targets, m[1])
		if !strings.Contains(guide, "`make "+m[1]+"`") {
			t.Errorf("CONTRIBUTING.md does not name make %s", m[1])
		}
	}
	if len(targets) < 10 {
		t.Errorf("targets found: %q; the search missed them", targets)
	}
	named := regexp.MustCompile("(?m)(?:^|`)make ([a-z-]+)(?:`| *#| *$)")
	for path := range documents(t) {
		for _, m := range named.FindAllStringSubmatch(read(t, path), -1) {
			if !slices.Contains(targets, m[1]) {
				t.Errorf("%s: there is no make %s", path, m[1])
			}
		}
	}
}

// read is the text of a file of the project.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The front page is short: the rest is where its links lead.
func TestFrontPageIsShort(t *testing.T) {
	if lines := strings.Count(read(t, "../README.md"), "\n"); lines > 200 {
		t.Errorf("README.md has %d lines, want at most 200", lines)
	}
}

// Every member of the JSON, and every reason to drop a packet, is in the reference.
func TestReferenceIsWhole(t *testing.T) {
	control, device := read(t, "../insanely/README.md"), read(t, "../insane/README.md")
	want := func(in, path, word string) {
		if !strings.Contains(in, "`"+word+"`") {
			t.Errorf("%s: not a word of `%s`", path, word)
		}
	}
	var members func(of reflect.Type)
	members = func(of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Map || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct {
			return
		}
		for f := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(f).Tag.Get("json"), ",")
			if name != "packets" && name != "bytes" { // shown as an object
				want(control, "insanely/README.md", name)
			}
			members(of.Field(f).Type)
		}
	}
	members(reflect.TypeFor[api.Change]())
	members(reflect.TypeFor[api.Error]())
	for _, reason := range api.DropReasons() {
		want(control, "insanely/README.md", reason)
		want(device, "insane/README.md", reason)
	}
	members(reflect.TypeFor[api.Info]())
	members(reflect.TypeFor[api.RulesPage]())
	members(reflect.TypeFor[api.RulesChange]())
	members(reflect.TypeFor[api.RulesChanged]())
}
