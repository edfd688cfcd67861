package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layer makes the file system: one program with three names, the users that there are, an empty
// directory for control sockets, and licences. There is no shell.
func (r release) layer(program, docs string) (v1.Layer, error) {
	var text bytes.Buffer
	w := treeWriter{tar.NewWriter(&text), r.date}
	// In a directory that everybody may write to and that is sticky, any user can have a socket.
	for _, directory := range []struct {
		name string
		mode int64
	}{
		{"etc/", 0o755}, {"run/", 0o755}, {"run/insane/", 0o1777},
		{"usr/", 0o755}, {"usr/bin/", 0o755}, {"usr/share/", 0o755}, {"usr/share/doc/", 0o755}, {"usr/share/doc/insane/", 0o755},
	} {
		if err := w.header(tar.Header{Typeflag: tar.TypeDir, Name: directory.name, Mode: directory.mode}); err != nil {
			return nil, err
		}
	}
	if err := w.files(program, docs); err != nil {
		return nil, err
	}
	for _, name := range []string{"insanely", "insane-cni"} {
		if err := w.header(tar.Header{Typeflag: tar.TypeSymlink, Name: "usr/bin/" + name, Linkname: "insane", Mode: 0o777}); err != nil {
			return nil, err
		}
	}
	if err := w.tar.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.BestCompression))
}

// treeWriter writes files that belong to root and have one time.
type treeWriter struct {
	tar  *tar.Writer
	date time.Time
}

func (w treeWriter) header(h tar.Header) error {
	h.ModTime, h.Format = w.date, tar.FormatPAX
	return w.tar.WriteHeader(&h)
}

func (w treeWriter) file(name string, mode int64, text []byte) error {
	if err := w.header(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(text))}); err != nil {
		return err
	}
	_, err := w.tar.Write(text)
	return err
}

// files writes the program, the licences from a directory and the users.
func (w treeWriter) files(program, docs string) error {
	if err := w.file("etc/passwd", 0o644, []byte("root:x:0:0::/:/\nnobody:x:65534:65534::/:/\n")); err != nil {
		return err
	}
	if err := w.file("etc/group", 0o644, []byte("root:x:0:\nnobody:x:65534:\n")); err != nil {
		return err
	}
	for _, f := range []struct {
		from, to string
		mode     int64
	}{
		{program, "usr/bin/insane", 0o755},
		{filepath.Join(docs, "LICENSE"), "usr/share/doc/insane/LICENSE", 0o644},
		{filepath.Join(docs, "third-party"), "usr/share/doc/insane/third-party", 0o644},
	} {
		text, err := os.ReadFile(f.from)
		if err != nil {
			return err
		}
		if err := w.file(f.to, f.mode, text); err != nil {
			return err
		}
	}
	return nil
}
