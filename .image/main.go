// The image command makes the container image of insane: an OCI layout in one tar file, with an image for
// each architecture. It asks no daemon and no registry.
//
// layer.go makes the file system; archive.go writes the layout; main.go has the rest. build runs it.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// architectures are those of the image, by their names in Go, which are those of OCI as well. The
// first one is that of engines that know one image a file.
var architectures = []string{"amd64", "arm64"}

// release is what the labels say.
type release struct {
	version, revision string
	date              time.Time
}

func main() {
	var r release
	in := flag.String("in", "", "`directory` with ARCHITECTURE/insane, LICENSE and third-party")
	out := flag.String("out", "", "`file` of the image")
	flag.StringVar(&r.version, "version", "", "`version` of the release")
	flag.StringVar(&r.revision, "revision", "", "`commit` of the source")
	flag.Parse()
	epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err == nil {
		r.date = time.Unix(epoch, 0).UTC()
		err = r.write(*in, *out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// write makes the images of all architectures, and writes them.
func (r release) write(in, out string) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var first v1.Image
	for _, architecture := range architectures {
		image, err := r.image(in, architecture)
		if err != nil {
			return err
		}
		if first == nil {
			first = image
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		})
	}
	named := mutate.Annotations(index, r.labels()).(v1.ImageIndex)
	return r.archive(named, first, out)
}

// image makes the image of one architecture.
func (r release) image(in, architecture string) (v1.Image, error) {
	layer, err := r.layer(filepath.Join(in, architecture, "insane"), in)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{CreatedBy: "make image", Created: v1.Time{Time: r.date}}})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", architecture, v1.Time{Time: r.date}
	config.Config = v1.Config{
		Env:        []string{"PATH=/usr/bin"},
		Entrypoint: []string{"/usr/bin/insane"},
		WorkingDir: "/",
		Labels:     r.labels(),
	}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return nil, err
	}
	return mutate.Annotations(image, r.labels()).(v1.Image), nil
}

// labels returns those that OCI has names for. They are annotations of the manifests, too.
func (r release) labels() map[string]string {
	const key, home = "org.opencontainers.image.", "https://github.com/seed-39a139a1/insane"
	return map[string]string{
		key + "title":         "insane",
		key + "description":   "a network device that loses packets as you wish",
		key + "version":       r.version,
		key + "revision":      r.revision,
		key + "created":       r.date.Format(time.RFC3339),
		key + "licenses":      "Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause)",
		key + "url":           home,
		key + "source":        home,
		key + "documentation": home + "/blob/main/README.md",
	}
}
