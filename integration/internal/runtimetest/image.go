// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"archive/tar"
	"debug/elf"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/containerd/containerd/v2/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/imagearchive"
	"github.com/nsaudit/nsaudit/integration/internal/reexec"
)

// The images that every containerd holds in its CRI namespace. All of them hold the test binary only.
const (
	PauseImage  = "registry.k8s.io/pause:3.10.2"
	AlpineImage = "docker.io/library/alpine:latest"
	KubiaImage  = "docker.io/luksa/kubia:latest"
)

const sleepPath = "/bin/sleep"

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
// as soon as CRI knows them, which is what this waits for.
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
		eventually.True(t, "CRI knows "+image.Name, func() bool {
			status, err := service.ImageStatus(ctx, &runtime.ImageStatusRequest{Image: &runtime.ImageSpec{Image: image.Name}})
			return err == nil && status.GetImage() != nil
		})
	}
}

// requireStatic ends the test if the test binary can't run without libraries.
func requireStatic(t testing.TB) {
	t.Helper()
	binary, err := elf.Open(reexec.Binary)
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
	binary, err := elf.Open(reexec.Binary)
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
	program := imagearchive.Program(sleepPath, reexec.Binary)
	program.Header.Size = size
	entries := []imagearchive.Entry{imagearchive.Directory("/bin", 0o755), program}
	for _, name := range []string{"pause", "app", "bin/threads", "bin/setns-thread"} {
		link := tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: sleepPath[1:], Mode: 0o755}
		entries = append(entries, imagearchive.Entry{Header: link})
	}
	return imagearchive.WriteLayer(layer, entries...)
}

// writeArchive writes the images, all of the one layer.
func (c *Containerd) writeArchive(to io.Writer, images []Image) error {
	archived := make([]imagearchive.Image, 0, len(images))
	for _, image := range images {
		archived = append(archived, imagearchive.Image{
			Name:   image.Name,
			Config: ocispec.ImageConfig{Cmd: image.Command, Labels: image.Labels},
			Layers: []string{c.layerFile()},
		})
	}
	return imagearchive.Write(to, archived...)
}
