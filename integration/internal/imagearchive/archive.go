// SPDX-License-Identifier: Apache-2.0

// Package imagearchive writes container images as archives that containerd, docker and podman import: OCI image layouts
// in a tar. The integration tests make their images of programs that they have at hand, where no registry is in reach.
package imagearchive

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// annotationName is where containerd and docker look for an image's name.
const annotationName = "io.containerd.image.name"

// Image is an image to be written.
type Image struct {
	Name   string // with its registry and tag
	Config ocispec.ImageConfig
	Layers []string // files that WriteLayer, or another writer of tars, has written; the lowest first
}

// Write writes an archive of images for this machine. Layers that images share are written once, and uncompressed:
// archives are read on the machine that wrote them.
func Write(to io.Writer, images ...Image) error {
	a := archive{tar: tar.NewWriter(to)}
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	for _, image := range images {
		manifest, err := a.addImage(image)
		if err != nil {
			return fmt.Errorf("write image %s: %w", image.Name, err)
		}
		index.Manifests = append(index.Manifests, manifest)
	}
	if err := a.addJSON(ocispec.ImageIndexFile, index); err != nil {
		return fmt.Errorf("write index of images: %w", err)
	}
	layout := ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}
	if err := a.addJSON(ocispec.ImageLayoutFile, layout); err != nil {
		return fmt.Errorf("write layout of images: %w", err)
	}
	if err := a.tar.Close(); err != nil {
		return fmt.Errorf("complete image archive: %w", err)
	}
	return nil
}

// archive is an archive in the making.
type archive struct {
	tar   *tar.Writer
	blobs []digest.Digest // that are in it
}

// addImage adds an image and returns what the index says about it.
func (a *archive) addImage(image Image) (ocispec.Descriptor, error) {
	layers := make([]ocispec.Descriptor, 0, len(image.Layers))
	rootFS := ocispec.RootFS{Type: "layers"}
	for _, file := range image.Layers {
		layer, err := a.addLayer(file)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		layers, rootFS.DiffIDs = append(layers, layer), append(rootFS.DiffIDs, layer.Digest)
	}
	config, err := a.addBlob(ocispec.MediaTypeImageConfig, ocispec.Image{
		Platform: ocispec.Platform{Architecture: runtime.GOARCH, OS: runtime.GOOS},
		Config:   image.Config,
		RootFS:   rootFS,
	})
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	manifest, err := a.addBlob(ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    config,
		Layers:    layers,
	})
	manifest.Annotations = map[string]string{annotationName: image.Name}
	return manifest, err
}

func (a *archive) addLayer(file string) (ocispec.Descriptor, error) {
	in, err := os.Open(file)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer in.Close()
	sum, err := digest.FromReader(in)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	size, err := in.Seek(0, io.SeekCurrent)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	layer := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: sum, Size: size}
	if !a.record(sum) {
		return layer, nil
	}
	return layer, Entry{Header: tar.Header{Name: blobName(sum), Mode: 0o644, Size: size}, File: file}.write(a.tar)
}

// addBlob adds a document under its digest.
func (a *archive) addBlob(mediaType string, content any) (ocispec.Descriptor, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	blob := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(text), Size: int64(len(text))}
	if !a.record(blob.Digest) {
		return blob, nil
	}
	return blob, a.addJSON(blobName(blob.Digest), json.RawMessage(text))
}

// record records a blob of the archive, and reports whether it is new.
func (a *archive) record(blob digest.Digest) bool {
	if slices.Contains(a.blobs, blob) {
		return false
	}
	a.blobs = append(a.blobs, blob)
	return true
}

func (a *archive) addJSON(name string, content any) error {
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	return Entry{Header: tar.Header{Name: name, Mode: 0o644}, Content: text}.write(a.tar)
}

func blobName(d digest.Digest) string {
	return path.Join(ocispec.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}
