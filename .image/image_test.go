package main

import (
	"archive/tar"
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const built = "../dist/insane-image.tar"

// most is how large the image may be, in bytes, for all architectures together.
const most = 20 << 20

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// unpacked returns the index in a tar file, and what older versions of Docker read.
func unpacked(t *testing.T, path string) (index v1.ImageIndex, docker []byte) {
	t.Helper()
	directory := t.TempDir()
	file, err := os.Open(path)
	must(t, err)
	defer file.Close()
	for r := tar.NewReader(file); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		must(t, err)
		if h.Typeflag == tar.TypeDir {
			must(t, os.MkdirAll(filepath.Join(directory, h.Name), 0o755))
			continue
		}
		text, err := io.ReadAll(r)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(directory, h.Name), text, 0o600))
	}
	outer, err := layout.ImageIndexFromPath(directory)
	must(t, err)
	list, err := outer.IndexManifest()
	must(t, err)
	if len(list.Manifests) != 1 {
		t.Fatalf("the layout has %d images", len(list.Manifests))
	}
	index, err = outer.ImageIndex(list.Manifests[0].Digest)
	must(t, err)
	docker, err = os.ReadFile(filepath.Join(directory, "manifest.json"))
	must(t, err)
	return index, docker
}

// The image that was built is whole, small, and has what its documents promise, for both
// architectures.
func TestBuilt(t *testing.T) {
	info, err := os.Stat(built)
	must(t, err)
	t.Logf("%d bytes", info.Size())
	if info.Size() > most {
		t.Errorf("%d bytes, more than %d", info.Size(), most)
	}
	index, docker := unpacked(t, built)
	must(t, validate.Index(index))
	list, err := index.IndexManifest()
	must(t, err)
	if len(list.Manifests) != len(architectures) {
		t.Fatalf("%d images", len(list.Manifests))
	}
	for n, d := range list.Manifests {
		if d.Platform.OS != "linux" || d.Platform.Architecture != architectures[n] {
			t.Errorf("platform %v", d.Platform)
		}
		image, err := index.Image(d.Digest)
		must(t, err)
		checkConfig(t, image, architectures[n])
		checkFiles(t, image, architectures[n])
		if n == 0 {
			checkDocker(t, image, docker)
		}
	}
}

func checkConfig(t *testing.T, image v1.Image, architecture string) {
	t.Helper()
	config, err := image.ConfigFile()
	must(t, err)
	if config.Architecture != architecture || config.OS != "linux" || config.Created.IsZero() || strings.Join(config.Config.Entrypoint, " ") != "/usr/bin/insane" {
		t.Errorf("%s: %+v", architecture, config)
	}
	for _, label := range []string{"title", "description", "version", "revision", "created", "licenses", "source", "url", "documentation"} {
		if config.Config.Labels["org.opencontainers.image."+label] == "" {
			t.Errorf("%s: no label %s", architecture, label)
		}
	}
}

// checkFiles fails if there is another program than insane, which is static and stripped, and knows
// no path of the machine that has built it.
func checkFiles(t *testing.T, image v1.Image, architecture string) {
	t.Helper()
	machine := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[architecture]
	text := mutate.Extract(image)
	defer text.Close()
	names := make(map[string]bool)
	for r := tar.NewReader(text); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		must(t, err)
		names[h.Name] = true
		if h.Uid != 0 || h.Gid != 0 || h.Typeflag == tar.TypeReg && h.Mode&0o111 != 0 && h.Name != "usr/bin/insane" {
			t.Errorf("%s: %+v", architecture, h)
		}
		if h.Name != "usr/bin/insane" {
			continue
		}
		program, err := io.ReadAll(r)
		must(t, err)
		checkProgram(t, program, machine)
	}
	for _, name := range []string{"usr/bin/insane", "usr/bin/insanely", "usr/bin/insane-cni", "usr/share/doc/insane/LICENSE", "usr/share/doc/insane/third-party"} {
		if !names[name] {
			t.Errorf("%s: no %s", architecture, name)
		}
	}
}

func checkProgram(t *testing.T, program []byte, machine elf.Machine) {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(program))
	must(t, err)
	if libraries, err := file.ImportedLibraries(); err == nil && len(libraries) > 0 || file.Machine != machine || file.Section(".interp") != nil {
		t.Errorf("%v, libraries %v", file.Machine, libraries)
	}
	if symbols, err := file.Symbols(); err == nil && len(symbols) > 0 {
		t.Errorf("%d symbols", len(symbols))
	}
	build, err := buildinfo.Read(bytes.NewReader(program))
	must(t, err)
	set := make(map[string]string)
	for _, s := range build.Settings {
		set[s.Key] = s.Value
	}
	if set["CGO_ENABLED"] != "0" || set["-trimpath"] != "true" {
		t.Errorf("built with %v", set)
	}
}

// checkDocker fails unless docker load(1) finds the first image.
func checkDocker(t *testing.T, image v1.Image, docker []byte) {
	t.Helper()
	var list []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	must(t, json.Unmarshal(docker, &list))
	name, err := image.ConfigName()
	must(t, err)
	if len(list) != 1 || list[0].Config != "blobs/sha256/"+name.Hex || len(list[0].Layers) != 1 || !strings.HasPrefix(list[0].RepoTags[0], "insane:") {
		t.Errorf("%s", docker)
	}
}

// The same files make the same bits, and another one makes others.
func TestReproducible(t *testing.T) {
	r := release{version: "1.2.3", revision: "abc", date: time.Unix(1_700_000_000, 0).UTC()}
	made := func(program string) []byte {
		t.Helper()
		in := t.TempDir()
		for _, name := range []string{"amd64/insane", "arm64/insane", "LICENSE", "third-party"} {
			path := filepath.Join(in, name)
			must(t, os.MkdirAll(filepath.Dir(path), 0o755))
			must(t, os.WriteFile(path, []byte(program+name), 0o600))
		}
		out := filepath.Join(in, "image.tar")
		must(t, r.write(in, out))
		text, err := os.ReadFile(out)
		must(t, err)
		return text
	}
	first := made("one")
	if !bytes.Equal(first, made("one")) {
		t.Error("two images of the same files differ")
	}
	if bytes.Equal(first, made("two")) {
		t.Error("two images of other files are equal")
	}
}
