package examples_test

import (
	"io/fs"
	"os"
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

// Who opens the project reads one page; the rest is where the links lead.
func TestFrontPageIsShort(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines > 200 {
		t.Errorf("README.md has %d lines, want at most 200", lines)
	}
}

// Every member of the JSON, and every reason to drop a packet, is in the reference.
func TestReferenceIsWhole(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	control, device := read("../insanely/README.md"), read("../insane/README.md")
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
}
