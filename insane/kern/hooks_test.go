package kern

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every row of the table of hooks names a test, and the test exists.
func TestEveryHookHasATest(t *testing.T) {
	text, err := os.ReadFile("README.md")
	must(t, err)
	tests := make(map[string]bool)
	must(t, filepath.WalkDir("../..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, found := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(source, -1) {
			tests[string(found[1])] = true
		}
		return err
	}))
	rows := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 7 || cells[1] == " hook " || cells[1] == "---" {
			continue
		}
		rows++
		if name := strings.Trim(cells[5], "` "); !tests[name] {
			t.Errorf("%s: there is no test %q", cells[1], name)
		}
	}
	if rows < 20 {
		t.Errorf("found %d rows", rows)
	}
}
