// SPDX-License-Identifier: Apache-2.0

package imagearchive

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// unpack returns the content of every file of a tar. A name that comes twice is an error.
func unpack(t *testing.T, archive io.Reader) map[string]string {
	t.Helper()
	files := map[string]string{}
	for reader := tar.NewReader(archive); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := files[header.Name]; twice {
			t.Errorf("%s is in the archive twice", header.Name)
		}
		files[header.Name] = string(content) + header.Linkname
	}
}

// blob finds what a descriptor describes, and parses it.
func blob[T any](t *testing.T, files map[string]string, d ocispec.Descriptor) T {
	t.Helper()
	text, found := files["blobs/sha256/"+d.Digest.Encoded()]
	if !found || digest.FromString(text) != d.Digest || int64(len(text)) != d.Size {
		t.Fatalf("%s of %d bytes is %q", d.Digest, d.Size, text)
	}
	return parse[T](t, text)
}

func parse[T any](t *testing.T, text string) T {
	t.Helper()
	var content T
	if err := json.Unmarshal([]byte(text), &content); err != nil {
		t.Fatal(err)
	}
	return content
}

func layerFile(t *testing.T, entries ...Entry) string {
	t.Helper()
	var layer bytes.Buffer
	if err := WriteLayer(&layer, entries...); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "layer.tar")
	if err := os.WriteFile(file, layer.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestWrite(t *testing.T) {
	lower := layerFile(t, Directory("/bin", 0o755), Symlink("/bin/sh", "busybox"))
	upper := layerFile(t, Entry{Header: tar.Header{Name: "motd"}, Content: []byte("hello")})
	images := []Image{
		{
			Name:   "example.org/one:1",
			Config: ocispec.ImageConfig{Entrypoint: []string{"/bin/sh"}},
			Layers: []string{lower, upper},
		},
		{Name: "example.org/two:2", Config: ocispec.ImageConfig{User: "0"}, Layers: []string{lower}},
	}
	var archive bytes.Buffer
	if err := Write(&archive, images...); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, &archive)
	if layout := parse[ocispec.ImageLayout](t, files["oci-layout"]); layout.Version != "1.0.0" {
		t.Errorf("version of the layout = %s", layout.Version)
	}
	index := parse[ocispec.Index](t, files["index.json"])
	if len(index.Manifests) != len(images) {
		t.Fatalf("%d images in the index, want %d", len(index.Manifests), len(images))
	}
	for i, image := range images {
		if name := index.Manifests[i].Annotations["io.containerd.image.name"]; name != image.Name {
			t.Errorf("image %d is named %s, want %s", i, name, image.Name)
		}
		checkImage(t, files, blob[ocispec.Manifest](t, files, index.Manifests[i]), image)
	}
}

func checkImage(t *testing.T, files map[string]string, manifest ocispec.Manifest, image Image) {
	t.Helper()
	var layers []string
	var diffs []digest.Digest
	for _, layer := range manifest.Layers {
		layers, diffs = append(layers, files["blobs/sha256/"+layer.Digest.Encoded()]), append(diffs, layer.Digest)
	}
	var want []string
	for _, file := range image.Layers {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, string(content))
	}
	if diff := cmp.Diff(want, layers); diff != "" {
		t.Errorf("layers of %s (-want +got):\n%s", image.Name, diff)
	}
	config := ocispec.Image{
		Platform: ocispec.Platform{Architecture: runtime.GOARCH, OS: "linux"},
		Config:   image.Config,
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: diffs},
	}
	if diff := cmp.Diff(config, blob[ocispec.Image](t, files, manifest.Config)); diff != "" {
		t.Errorf("config of %s (-want +got):\n%s", image.Name, diff)
	}
}

func TestWriteNamesTheImageThatFails(t *testing.T) {
	err := Write(io.Discard, Image{Name: "example.org/one:1", Layers: []string{filepath.Join(t.TempDir(), "none")}})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error = %v, want that there is no such layer", err)
	}
}

func TestWriteLayer(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	var layer bytes.Buffer
	err := WriteLayer(&layer,
		Directory("/tmp", 0o1777),
		Program("/bin/all", program),
		Entry{Header: tar.Header{Name: "bin/part", Size: 4}, File: program},
		Symlink("/bin/link", "all"),
		Entry{Header: tar.Header{Name: "etc/hostname"}, Content: []byte("host")},
	)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"tmp/": "", "bin/all": "0123456789", "bin/part": "0123", "bin/link": "all", "etc/hostname": "host",
	}
	if diff := cmp.Diff(want, unpack(t, &layer)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
