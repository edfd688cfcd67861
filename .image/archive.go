package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// archive writes the layout of an index into one tar file, together with what older versions of Docker
// read of an image instead.
func (r release) archive(index v1.ImageIndex, first v1.Image, out string) (err error) {
	directory, err := os.MkdirTemp("", "insane-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	name := "insane:" + r.version
	outer := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{
		Add: index,
		Descriptor: v1.Descriptor{Annotations: map[string]string{
			"org.opencontainers.image.ref.name": name,
			"io.containerd.image.name":          "docker.io/library/" + name,
		}},
	})
	if _, err := layout.Write(directory, outer); err != nil {
		return err
	}
	if err := docker(first, name, filepath.Join(directory, "manifest.json")); err != nil {
		return err
	}
	return r.pack(directory, out)
}

// docker writes the list of images that docker save(1) writes.
func docker(image v1.Image, name, path string) error {
	manifest, err := image.Manifest()
	if err != nil {
		return err
	}
	type entry struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	one := entry{Config: blob(manifest.Config), RepoTags: []string{name}}
	for _, layer := range manifest.Layers {
		one.Layers = append(one.Layers, blob(layer))
	}
	text, err := json.Marshal([]entry{one})
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

func blob(d v1.Descriptor) string { return "blobs/" + d.Digest.Algorithm + "/" + d.Digest.Hex }

// pack writes a directory into a tar file, in the order of names.
func (r release) pack(directory, out string) (err error) {
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := treeWriter{tar.NewWriter(file), r.date}
	err = filepath.WalkDir(directory, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == directory {
			return err
		}
		name, err := filepath.Rel(directory, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return w.header(tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755})
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return w.file(name, 0o644, text)
	})
	return errors.Join(err, w.tar.Close())
}
