package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insane/ledger/pcapng"
)

// stdio is the name of standard output and input.
const stdio = "-"

// files are the file or the files of a recording. With a size, each has about as many bytes at
// most, and of these files only the last ones are kept.
type files struct {
	path     string
	stdout   io.Writer
	size     uint64 // 0: there is one file
	keep     int    // 0: all
	header   ledger.Header
	programs pcapng.Programs

	number int // of the present one, from 1 on
	file   *os.File
	counts countingWriter
	buffer *bufio.Writer
	writer *pcapng.Writer
}

// files reads the flags that say where a recording goes.
func (p *program) files(c *cli.Context) (*files, error) {
	f := &files{
		path: c.String("w"), stdout: p.out, size: uint64(*c.Generic("size").(*size)), keep: int(c.Uint("files")), programs: make(pcapng.Programs),
	}
	switch {
	case f.path == "":
		return nil, usagef("w", "record: want -w FILE, or -w - for standard output")
	case f.keep > 0 && f.size == 0:
		return nil, usagef("size", "flag --files: want --size as well")
	case f.path == stdio && f.size > 0:
		return nil, usagef("size", "flag --size: not with -w -")
	}
	return f, nil
}

// countingWriter counts what is written.
type countingWriter struct {
	to    io.Writer
	bytes uint64
}

// Write implements io.Writer.
func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.bytes += uint64(n)
	return n, err
}

// name returns the name of file number n.
func (f *files) name(n int) string {
	if f.size == 0 {
		return f.path
	}
	ext := filepath.Ext(f.path)
	return fmt.Sprintf("%s.%d%s", strings.TrimSuffix(f.path, ext), n, ext)
}

// open opens the first file.
func (f *files) open(h ledger.Header) error {
	f.header = h
	return f.next()
}

// next opens the next file, and removes one that is too many.
func (f *files) next() (err error) {
	f.number++
	f.counts = countingWriter{to: f.stdout}
	if f.path != stdio {
		// Traffic of others is not for all to see.
		if f.file, err = os.OpenFile(f.name(f.number), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600); err != nil {
			return err
		}
		f.counts.to = f.file
	}
	if old := f.number - f.keep; f.keep > 0 && old > 0 {
		if err := os.Remove(f.name(old)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	f.buffer = bufio.NewWriterSize(&f.counts, 1<<18)
	f.writer, err = pcapng.NewWriter(f.buffer, f.header, f.programs)
	if err != nil {
		return err
	}
	return f.flush()
}

// flush writes what is buffered.
func (f *files) flush() error {
	if err := f.writer.Flush(); err != nil {
		return err
	}
	return f.buffer.Flush()
}

// entry writes an entry, to a new file if the present one has its size.
func (f *files) entry(e *ledger.Entry) error {
	if f.size > 0 && f.counts.bytes+uint64(f.buffer.Buffered()) >= f.size {
		if err := f.close(); err != nil {
			return err
		}
		if err := f.next(); err != nil {
			return err
		}
	}
	return f.writer.Entry(e)
}

// missed notes that entries are missing.
func (f *files) missed(m ledger.Missed) { f.writer.Missed(m) }

// close ends the present file. A second call does nothing.
func (f *files) close() error {
	if f.writer == nil {
		return nil
	}
	err := f.writer.Close()
	if err == nil {
		err = f.buffer.Flush()
	}
	f.writer = nil
	if f.file != nil {
		err = errors.Join(err, f.file.Close())
	}
	return err
}
