//go:build linux

package runtimetest

import (
	"archive/tar"
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	goruntime "runtime"
	"testing"

	"github.com/containerd/containerd/v2/client"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// The images that every containerd holds in its CRI namespace. All of them hold the test binary only.
const (
	PauseImage  = "registry.k8s.io/pause:3.10.2"
	AlpineImage = "docker.io/library/alpine:latest"
	KubiaImage  = "docker.io/luksa/kubia:latest"
)

const (
	sleepPath = "/bin/sleep"
	ownBinary = "/proc/self/exe"
)

// Image is an image to be made of the test binary.
type Image struct {
	Name    string
	Command []string
	Labels  map[string]string // containerd copies them to the containers
}

// Images returns the images that Start imports.
func Images() []Image {
	return []Image{
		{Name: PauseImage, Command: []string{"/pause"}},
		{Name: AlpineImage, Command: []string{sleepPath, "9999999"}},
		{Name: KubiaImage, Command: []string{"/app"}},
	}
}

// ImportImage makes images and imports them into a containerd namespace. Pods can use those in CRINamespace
// as soon as CRI has heard of them, which is what this waits for.
func (c *Containerd) ImportImage(t testing.TB, namespace string, images ...Image) {
	t.Helper()
	ctx, cancel := within(t, namespace)
	defer cancel()
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(c.writeArchive(writer, images)) }()
	imported, err := c.client.Import(ctx, reader)
	_ = reader.Close()
	if err != nil {
		t.Fatalf("import images into %s: %v", namespace, err)
	}
	for _, record := range imported {
		if err := client.NewImage(c.client, record).Unpack(ctx, ""); err != nil {
			t.Fatalf("unpack %s: %v", record.Name, err)
		}
	}
	if namespace == CRINamespace {
		c.waitImages(t, images)
	}
}

// waitImages waits until CRI, which learns of images by events, knows these.
func (c *Containerd) waitImages(t testing.TB, images []Image) {
	t.Helper()
	ctx, cancel := within(t, CRINamespace)
	defer cancel()
	service := runtime.NewImageServiceClient(c.conn())
	for _, image := range images {
		WaitFor(t, "CRI knows "+image.Name, func() bool {
			status, err := service.ImageStatus(ctx, &runtime.ImageStatusRequest{Image: &runtime.ImageSpec{Image: image.Name}})
			return err == nil && status.GetImage() != nil
		})
	}
}

// requireStatic ends the test if the test binary can't run without libraries.
func requireStatic(t testing.TB) {
	t.Helper()
	binary, err := elf.Open(ownBinary)
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	for _, segment := range binary.Progs {
		if segment.Type == elf.PT_INTERP {
			t.Fatal("the test binary is the containers' program and has to be static: build it with CGO_ENABLED=0 and without -race")
		}
	}
}

// programSize returns how much of the test binary has to be in the images. What follows the last segment is for
// debuggers only, and a third of it; an emulated machine takes seconds to unpack that.
func programSize() (int64, error) {
	binary, err := elf.Open(ownBinary)
	if err != nil {
		return 0, err
	}
	defer binary.Close()
	var size uint64
	for _, segment := range binary.Progs {
		size = max(size, segment.Off+segment.Filesz)
	}
	return int64(size), nil
}

func (c *Containerd) layerFile() string { return filepath.Join(c.dir, "layer.tar") }

// writeLayer writes the one layer: the test binary under the name of each role.
func (c *Containerd) writeLayer(t testing.TB) {
	t.Helper()
	layer, err := os.Create(c.layerFile())
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(writePrograms(layer), layer.Close())
	if err != nil {
		t.Fatalf("write the image layer: %v", err)
	}
}

func writePrograms(layer io.Writer) error {
	size, err := programSize()
	if err != nil {
		return err
	}
	w := tar.NewWriter(layer)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "bin/", Mode: 0o755}); err != nil {
		return err
	}
	if err := addFile(w, tar.Header{Name: sleepPath[1:], Mode: 0o755, Size: size}, ownBinary); err != nil {
		return err
	}
	for _, name := range []string{"pause", "app", "bin/threads", "bin/setns-thread"} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: sleepPath[1:], Mode: 0o755}); err != nil {
			return err
		}
	}
	return w.Close()
}

// writeArchive writes an OCI image layout as a tar.
func (c *Containerd) writeArchive(to io.Writer, images []Image) error {
	layer, err := describeFile(c.layerFile())
	if err != nil {
		return err
	}
	w := tar.NewWriter(to)
	if err := addFile(w, tar.Header{Name: blobName(layer.Digest), Mode: 0o644, Size: layer.Size}, c.layerFile()); err != nil {
		return err
	}
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	for _, image := range images {
		manifest, err := addImage(w, image, layer)
		if err != nil {
			return fmt.Errorf("add %s: %w", image.Name, err)
		}
		index.Manifests = append(index.Manifests, manifest)
	}
	if err := addJSON(w, ocispec.ImageIndexFile, index); err != nil {
		return err
	}
	if err := addJSON(w, ocispec.ImageLayoutFile, ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}); err != nil {
		return err
	}
	return w.Close()
}

// addImage adds the image's config and manifest and returns what the index says about it.
func addImage(w *tar.Writer, image Image, layer ocispec.Descriptor) (ocispec.Descriptor, error) {
	config, err := addBlob(w, ocispec.MediaTypeImageConfig, ocispec.Image{
		Platform: ocispec.Platform{Architecture: goruntime.GOARCH, OS: "linux"},
		Config:   ocispec.ImageConfig{Cmd: image.Command, Labels: image.Labels},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.Digest}},
	})
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	manifest, err := addBlob(w, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    config,
		Layers:    []ocispec.Descriptor{layer},
	})
	manifest.Annotations = map[string]string{"io.containerd.image.name": image.Name}
	return manifest, err
}

func addBlob(w *tar.Writer, mediaType string, content any) (ocispec.Descriptor, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	blob := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(text), Size: int64(len(text))}
	return blob, addJSON(w, blobName(blob.Digest), json.RawMessage(text))
}

func addJSON(w *tar.Writer, name string, content any) error {
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// addFile adds the beginning of a file, up to the size in the header.
func addFile(w *tar.Writer, header tar.Header, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := w.WriteHeader(&header); err != nil {
		return err
	}
	_, err = io.CopyN(w, file, header.Size)
	return err
}

func describeFile(path string) (ocispec.Descriptor, error) {
	file, err := os.Open(path)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer file.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, file)
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: digest.NewDigest(digest.SHA256, hash), Size: size}, err
}

func blobName(d digest.Digest) string {
	return filepath.Join(ocispec.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}
