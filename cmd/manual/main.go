// The manual command writes the manual pages of the project into the working directory, from
// what the two commands print for --help and from the tables of policies and matches: run
// `make generate`. The pages are in this folder; a test fails if they are stale.
//
//	main.go   writes the pages
//	text.go   takes the text of --help apart
//	mdoc.go   the form of a page, mdoc(7)
//	pages.go  the pages of the two commands
//	tables.go the pages of policies and rules
package main

import (
	"fmt"
	"os"
)

//go:generate go run .

func main() {
	for name, text := range pages() {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "manual: "+err.Error())
			os.Exit(1)
		}
	}
}
