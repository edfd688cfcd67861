package insanely

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// RulesFile is the path of a file of rules; "-" is standard input.
type RulesFile string

// String returns how errors call the file.
func (f RulesFile) String() string {
	if f == "-" {
		return "stdin"
	}
	return string(f)
}

// Read returns the text of the file, or what comes from stdin. It reads no more than
// api.MaxRulesFile bytes. Its errors begin with the name of the file.
func (f RulesFile) Read(stdin io.Reader) (string, error) {
	from := stdin
	if f != "-" {
		file, err := os.Open(string(f))
		if err != nil {
			return "", f.unreadable(err)
		}
		defer file.Close()
		from = file
	}
	text, err := io.ReadAll(io.LimitReader(from, api.MaxRulesFile+1))
	switch {
	case err != nil:
		return "", f.unreadable(err)
	case len(text) > api.MaxRulesFile:
		return "", fmt.Errorf("%q: is larger than %d bytes", f, api.MaxRulesFile)
	}
	return string(text), nil
}

// unreadable says why the file cannot be read.
func (f RulesFile) unreadable(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = at.Err
	}
	return fmt.Errorf("%q: %w", f, err)
}
