package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The packages that the engine may use. Of package time only the type and its units: the
// clock is an argument. What a memo keeps is read and written by several goroutines. The imports
// of package match are for addresses, and for keys as integers; everything else here is needed to
// read and print text.
var (
	allowedImports = []string{
		"cmp", "errors", "fmt", "math/bits", "slices", "strconv", "strings", "sync/atomic", "time",
		"github.com/seed-39a139a1/insane/policy/dist", "github.com/seed-39a139a1/insane/policy/match", "github.com/seed-39a139a1/insane/policy/unit",
	}
	allowedOfMatch = []string{"bytes", "cmp", "encoding/binary", "math", "net/netip"}
	allowedOfTime  = []string{"Duration", "Nanosecond", "Microsecond", "Millisecond", "Second", "Minute", "Hour"}
)

// sources parses the files of the package, and of packages dist, match and unit, that are not tests.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	var names []string
	for _, pattern := range []string{"*.go", "dist/*.go", "match/*.go", "unit/*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	files := map[string]*ast.File{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		var err error
		files[name], err = parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(files) == 0 {
		t.Fatal("no source files")
	}
	return files
}

func TestImportsNoClockAndNoIO(t *testing.T) {
	for name, file := range sources(t) {
		for _, imp := range file.Imports {
			path, err := strconv.Unquote(imp.Path.Value)
			ofMatch := filepath.Dir(name) == "match" && slices.Contains(allowedOfMatch, path)
			if err != nil || imp.Name != nil || !ofMatch && !slices.Contains(allowedImports, path) {
				t.Errorf("%s imports %s", name, imp.Path.Value)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && !slices.Contains(allowedOfTime, sel.Sel.Name) {
					t.Errorf("%s uses time.%s", name, sel.Sel.Name)
				}
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "fmt" && !strings.HasPrefix(sel.Sel.Name, "Sprint") {
					t.Errorf("%s uses fmt.%s", name, sel.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestNoGoroutineAndNoFloatingPoint(t *testing.T) {
	for name, file := range sources(t) {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt, *ast.ChanType, *ast.SelectStmt:
				t.Errorf("%s: %T", name, n)
			case *ast.Ident:
				if n.Name == "float32" || n.Name == "float64" || n.Name == "init" {
					t.Errorf("%s: %s", name, n.Name)
				}
			case *ast.BasicLit:
				if n.Kind == token.FLOAT {
					t.Errorf("%s: %s", name, n.Value)
				}
			}
			return true
		})
	}
}
