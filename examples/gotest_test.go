package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// The example of a Go test can be copied into a module of somebody else, where all of its
// tests pass.
func TestGoTest(t *testing.T) {
	labtest.NeedRoot(t)
	t.Parallel()
	dir := t.TempDir()
	labtest.Must(t, os.CopyFS(dir, os.DirFS("gotest")))
	foreignModule(t, dir)
	run := func(name string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GOPROXY=off")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v\n%s", cmd, err, out)
		}
		return string(out)
	}
	// The compiler leaves other tests the processor, but for a part.
	run("nice", "-n", "5", "go", "test", "-mod=mod", "-c", "-o", "copy.test", ".")
	out := run("./copy.test", "-test.v")
	names := regexp.MustCompile(`(?m)^func (Test\w+)\(t `).FindAllStringSubmatch(read(t, "gotest/faults_test.go"), -1)
	if len(names) < 7 {
		t.Errorf("tests found: %q; the search missed them", names)
	}
	for _, name := range names {
		if !strings.Contains(out, "--- PASS: "+name[1]+" ") {
			t.Errorf("%s did not pass\n%s", name[1], out)
		}
	}
}

// foreignModule writes the go.mod and go.sum of a module that depends on this one.
func foreignModule(t *testing.T, dir string) {
	t.Helper()
	const ours = "github.com/seed-39a139a1/insane"
	here, err := filepath.Abs("..")
	labtest.Must(t, err)
	mod, _, _ := strings.Cut(read(t, "../go.mod"), "\ntool (")
	mod = strings.Replace(mod, "module "+ours, "module example.com/copy", 1)
	mod += "\nrequire " + ours + " v0.0.0\n\nreplace " + ours + " => " + here + "\n"
	labtest.Must(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o644))
	labtest.Must(t, os.WriteFile(filepath.Join(dir, "go.sum"), []byte(read(t, "../go.sum")), 0o644))
}
