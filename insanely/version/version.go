// Package version says which build of the project a program is: version.go for both
// commands.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// These are of a release. Its build sets them by the linker, so that they depend on nothing
// but the source; see .dist/build. In other builds they are empty, and what the go command
// has noted of the checkout stands for them.
var number, commit, date string

// unknown stands for what neither of them has told.
const unknown = "(unknown)"

// printed is the name under which an app keeps the function that returns its version.
const printed = "version"

func init() {
	// The library has one printer for all apps of a process.
	cli.VersionPrinter = func(c *cli.Context) {
		if text, ok := c.App.Metadata[printed].(func() string); ok {
			fmt.Fprint(c.App.Writer, text())
		}
	}
}

// Add gives an app the flag --version, which prints Text and what more returns. more may be
// nil; it is called only for the flag.
func Add(app *cli.App, more func() string) {
	app.Version = Number()
	app.Metadata = map[string]any{printed: func() string {
		text := Text(app.Name)
		if more != nil {
			text += more()
		}
		return text
	}}
}

// Number returns the version: of a release "0.1.0", else what the go command says.
func Number() string {
	if number != "" {
		return number
	}
	if build, ok := debug.ReadBuildInfo(); ok && build.Main.Version != "" {
		return build.Main.Version
	}
	return unknown
}

// Text returns three lines about a program: its name and version; the commit, its date and
// whether the checkout had other changes; the release of Go and the machine it is for.
func Text(name string) string {
	return fmt.Sprintf("%s version %s\n", name, Number()) +
		Line("commit", source()) +
		Line("go", runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH)
}

// Line returns a line of what --version prints.
func Line(name, value string) string { return fmt.Sprintf("%-8s%s\n", name, value) }

// source says which commit the program was made of.
func source() string {
	if commit != "" {
		return commit + ", " + date
	}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return unknown
	}
	said := make(map[string]string)
	for _, s := range build.Settings {
		said[s.Key] = s.Value
	}
	revision := said["vcs.revision"]
	if revision == "" {
		return unknown
	}
	text := revision + ", " + said["vcs.time"]
	if said["vcs.modified"] == "true" {
		text += ", changed"
	}
	return text
}
