package insane

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/policy"
)

const module = "github.com/seed-39a139a1/insane"

// rooms lists all packages of the project, and for each the packages of the project that it
// may import.
var rooms = map[string][]string{
	"policy":               {"policy/dist", "policy/match", "policy/unit"},
	"policy/dist":          {},
	"policy/dist/disttest": {},
	"policy/match":         {"policy/unit"},
	"policy/unit":          {},
	"insane": {"policy", "insane/control", "insane/host", "insane/decide", "insane/keeper", "insane/kern", "insane/observe", "insane/ownership",
		"insane/lease", "insane/ledger", "insane/line", "insane/port", "insane/relay", "insane/replay", "insane/session", "insane/slave", "insane/watchdog", "insanely/api"},
	"insane/cli":           {"policy", "policy/unit", "insane", "insanely", "insane/host", "insane/kern", "insane/lab", "insane/rights", "insane/session", "insanely/api", "insanely/version"},
	"insane/control":       {"insane/host", "insane/ledger", "insane/replay", "insanely/api"},
	"insane/decide":        {"insane/host", "insane/kern", "insane/observe", "insanely/api"},
	"insane/frame":         {"policy/match"},
	"insane/keeper":        {"policy", "insane/lease", "insanely/api"},
	"insane/kern":          {"policy", "policy/match"},
	"insane/lease":         {"policy", "insanely/api"},
	"insane/ledger":        {"policy", "policy/match", "insane/frame"},
	"insane/ledger/pcapng": {"policy", "insane/ledger"},
	"insane/line":          {"policy", "insane/frame"},
	"insane/lab":           {"policy", "insane/lab/probe", "insanely", "insanely/api"},
	"insane/lab/probe":     {},
	"insane/observe":       {"insane/host", "insane/kern", "insane/ownership", "insanely/api"},
	"insane/ownership":     {"insane/host", "insane/kern", "insanely/api"},
	"insane/watchdog":      {"policy", "insane/kern"},
	"insane/host":          {"policy"},
	"insane/port":          {"policy", "insane/frame"},
	"insane/rights":        {},
	"insane/relay":         {"policy", "policy/match", "insane/frame", "insane/kern", "insane/ledger", "insane/line", "insane/port", "insane/replay", "insanely/api"},
	"insane/replay":        {"policy", "policy/match", "insane/frame", "insane/ledger", "insane/session", "insanely/api"},
	"insane/session":       {"policy", "policy/match", "insanely/api"},
	"insane/slave":         {"insane/decide", "insane/host", "insane/kern", "insane/port", "insane/relay", "insane/watchdog", "insanely/api"},
	"insanely":             {"insane/ledger", "insanely/api"},
	"insanely/cli":         {"policy", "policy/match", "policy/unit", "insane/ledger", "insane/ledger/pcapng", "insane/replay", "insanely", "insanely/api", "insanely/verify", "insanely/version"},
	"insanely/version":     {},
	// The witness shares no code with the device that it judges, not even that for frames.
	"insanely/verify": {"policy", "policy/dist", "policy/match", "policy/unit", "insanely/api", "insanely/verify/packet",
		"insanely/verify/stat", "insanely/verify/witness"},
	"insanely/verify/packet":     {"policy/match"},
	"insanely/verify/stat":       {},
	"insanely/verify/witness":    {"policy/match", "insanely/verify/packet"},
	"insanely/api":               {},
	"insanely/cni":               {"insanely", "insanely/api", "insanely/cni/pods"},
	"insanely/cni/pods":          {},
	"insanely/cni/pods/podstest": {},
	"cmd/insane":                 {"insane/cli", "insanely/cli"},
	"cmd/insanely":               {"insanely/cli"},
	"cmd/insane-cni":             {"insanely/cni"},
	"cmd/manual":                 {"policy", "policy/match", "insane/cli", "insanely/cli"},
	"insane/port/porttest":       {"policy", "insane/frame"},

	"insane/lab/labtest": {"insane/lab", "insanely/api"},
	"cmd/insane/testbed": {"policy", "insane/cli", "insane/lab", "insane/lab/labtest", "insane/lab/probe", "insanely", "insanely/api", "insanely/cli"},
	"cmd/insane/bench":   {},
	"cmd/insane/control": {},
	"cmd/insane/crash":   {},
	"cmd/insane/hold":    {},
	"cmd/insane/lease":   {},
	"cmd/insane/owner":   {},
	"cmd/insane/path":    {},
	"cmd/insane/record":  {},
	"cmd/insane/replay":  {},
	"cmd/insane/rules":   {},
	"cmd/insane/slave":   {},
	"cmd/insane/verify":  {},
	"cmd/insane/wire":    {},
}

// linuxRooms may make system calls. Other packages may name an errno or a signal; for that
// the standard library's syscall is enough.
var linuxRooms = []string{"insane/host", "insane/port", "insane/kern", "insane/rights", "insane/lab", "insane/lab/labtest", "insane/lab/probe", "cmd/insane/testbed",
	"insanely/verify/witness"}

// policyImports are the only imports of the fault engine. Several goroutines use one memo, which
// takes sync/atomic and waits for nobody.
var policyImports = []string{"fmt", "math/bits", "strconv", "strings", "time", "errors", "unicode", "unicode/utf8", "math",
	"slices", "cmp", "bytes", "encoding/binary", "net/netip", "sync/atomic"}

type goPackage struct {
	ImportPath string
	Imports    []string
}

// packages asks the go command for every package of the project.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	list := make(map[string][]string)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		err := dec.Decode(&p)
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list[strings.TrimPrefix(p.ImportPath, module+"/")] = p.Imports
	}
}

// Every package imports only what it may import.
func TestImports(t *testing.T) {
	list := packages(t)
	if len(list) < len(rooms) {
		t.Errorf("go list found %d packages, the house has %d rooms", len(list), len(rooms))
	}
	for room, imports := range list {
		if strings.HasPrefix(room, "examples") {
			continue
		}
		allowed, known := rooms[room]
		if !known {
			t.Errorf("%s is no room of the house", room)
			continue
		}
		for _, imp := range imports {
			inner, ours := strings.CutPrefix(imp, module+"/")
			if ours && !slices.Contains(allowed, inner) {
				t.Errorf("%s imports %s", room, inner)
			}
			system := strings.HasPrefix(imp, "golang.org/x/sys/") ||
				strings.HasPrefix(imp, "github.com/vishvananda/") || strings.HasPrefix(imp, "github.com/songgao/")
			if system && !slices.Contains(linuxRooms, room) {
				t.Errorf("%s touches Linux: it imports %s", room, imp)
			}
			if strings.HasPrefix(room, "policy") && !ours && !slices.Contains(policyImports, imp) {
				t.Errorf("%s imports %s", room, imp)
			}
		}
	}
}

// Only a command imports the device. The parts of the device never do, so that each part
// can be tested and read without it.
func TestPartsDoNotKnowTheDevice(t *testing.T) {
	for room, allowed := range rooms {
		if strings.HasPrefix(room, "insane/") && room != "insane/cli" && slices.Contains(allowed, "insane") {
			t.Errorf("%s may import insane", room)
		}
	}
}

// The two commands contain no policy word: their texts about policies are made from package
// policy's table of stages. Their manuals have examples, which other tests check.
func TestCommandsKnowNoStage(t *testing.T) {
	for _, dir := range []string{"cli", "../insanely/cli"} {
		names, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(names) == 0 {
			t.Fatal(names, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") || filepath.Base(name) == "help.go" {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			imports := len(file.Imports)
			ast.Inspect(file, func(n ast.Node) bool {
				text, ok := n.(*ast.BasicLit)
				if !ok || text.Kind != token.STRING {
					return true
				}
				if imports--; imports >= 0 {
					return true // the first strings are imports
				}
				for _, form := range policy.Forms()[1:] {
					if text.Value == strconv.Quote(form.Name) || strings.Contains(text.Value, form.Usage) {
						t.Errorf("%s says %s", name, text.Value)
					}
				}
				return true
			})
		}
	}
}

// goFiles calls f with every Go file of the project.
func goFiles(t *testing.T, f func(path string, text []byte)) {
	t.Helper()
	n := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "bin") {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		f(path, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 50 {
		t.Errorf("%d Go files found: the walk missed the project", n)
	}
}

// Every file is formatted by gofmt.
func TestFormat(t *testing.T) {
	goFiles(t, func(path string, text []byte) {
		formatted, err := format.Source(text)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		} else if !bytes.Equal(formatted, text) {
			t.Errorf("%s is not formatted", path)
		}
	})
}

// A longer file has more than one subject. The length of a generated file follows from its
// source.
func TestFileLength(t *testing.T) {
	const most = 300 // lines; tests may be longer
	goFiles(t, func(path string, text []byte) {
		if bytes.HasPrefix(text, []byte("// Code generated ")) {
			return
		}
		if lines := bytes.Count(text, []byte("\n")); lines > most && !strings.HasSuffix(path, "_test.go") {
			t.Errorf("%s has %d lines, more than %d", path, lines, most)
		}
	})
}

// neverUp are packages that the device imports; they must not import the device.
var neverUp = []string{
	"insane/relay", "insane/ownership", "insane/decide", "insane/observe", "insane/slave",
	"insane/watchdog", "insane/control", "insane/kern", "insane/host", "insane/port", "insane/frame", "insane/line",
	"insane/rights", "insane/lease", "insane/ledger", "insane/replay", "insane/keeper",
}

// pureRooms only compute: they may import other packages that compute, and some packages
// for their types.
var pureRooms = map[string][]string{
	"insane/ownership": {"cmp", "maps", "net/netip", "slices"},
	"insane/decide":    {"cmp", "fmt"},
	"insane/frame":     {"encoding/binary", "errors", "fmt", "hash/crc32", "math/bits", "slices"},
	"insane/lease":     {"fmt", "math", "slices", "strconv", "strings", "time"},
	"insane/ledger":    {"bufio", "encoding/binary", "encoding/json", "errors", "fmt", "io", "net/netip", "strconv", "sync/atomic"},
	"insane/replay":    {"bytes", "cmp", "encoding/binary", "encoding/json", "errors", "fmt", "math/bits", "slices", "strings", "sync", "sync/atomic"},
	"insane/line":      {"encoding/binary", "math/bits", "sync/atomic"},

	"insanely/verify/packet": {"encoding/binary", "hash/maphash"},
	"insanely/verify/stat":   {"math", "slices"},
}

// No package below the device imports the device. The pure packages import nothing that
// makes system calls.
func TestNevers(t *testing.T) {
	list := packages(t)
	for _, room := range neverUp {
		imports, there := list[room]
		if !there {
			t.Errorf("%s is gone", room)
		}
		if slices.Contains(imports, module+"/insane") {
			t.Errorf("%s imports the device", room)
		}
	}
	for room, allowed := range pureRooms {
		for _, imp := range list[room] {
			if !strings.HasPrefix(imp, module+"/") && !slices.Contains(allowed, imp) {
				t.Errorf("%s is pure, and imports %s", room, imp)
			}
		}
	}
}

// The device uses its parts, but not the parts of its parts: no expression in its files is
// as long as device.part.part.name.
func TestNoReachThrough(t *testing.T) {
	fset := token.NewFileSet()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		imported := make(map[string]bool)
		for _, i := range file.Imports {
			imported[filepath.Base(strings.Trim(i.Path.Value, `"`))] = true
		}
		ast.Inspect(file, func(n ast.Node) bool {
			depth, root := 0, n
			for {
				s, ok := root.(*ast.SelectorExpr)
				if !ok {
					break
				}
				depth, root = depth+1, s.X
			}
			if name, ok := root.(*ast.Ident); ok && depth > 2 && !imported[name.Name] {
				t.Errorf("%s reaches through two levels", fset.Position(n.Pos()))
			}
			return true
		})
	}
}

// Each package comment names each file of its package, in Go and in C.
func TestPackageComments(t *testing.T) {
	for room := range packages(t) {
		paths, err := filepath.Glob(filepath.Join("..", room, "*.[cgh]*"))
		if err != nil {
			t.Fatal(err)
		}
		var comment string
		var names []string
		for _, path := range paths {
			if strings.Contains(path, "_test.") {
				continue
			}
			if ext := filepath.Ext(path); ext == ".c" || ext == ".h" {
				names = append(names, filepath.Base(path))
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if ast.IsGenerated(file) {
				continue
			}
			comment += file.Doc.Text()
			if filepath.Base(path) != "doc.go" {
				names = append(names, filepath.Base(path))
			}
		}
		for _, name := range names {
			if len(names) > 1 && !strings.Contains(comment, name) {
				t.Errorf("the comment of package %s does not name %s", room, name)
			}
		}
	}
}
