// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"archive/tar"
	"debug/elf"
	"encoding/binary"
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

// The images that every containerd holds in its CRI namespace. All of them hold the test binary, and alpine's users.
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
	User    string
	// Entries are files beyond the test binary, or instead of some.
	Entries []imagearchive.Entry
	// Root is a tar that holds all the files there are, if it is set.
	Root string
}

// Images returns the images that Start imports.
func Images() []Image {
	return []Image{
		{Name: PauseImage, Command: []string{"/pause"}, User: "65535:65535"},
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
	entries := []imagearchive.Entry{
		imagearchive.Directory("/bin", 0o755), imagearchive.Directory("/etc", 0o755), imagearchive.Directory("/tmp", 0o1777),
		File("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nguest:x:405:100:guest:/dev/null:/sbin/nologin\n"),
		File("/etc/group", "root:x:0:root\nbin:x:1:root,bin,daemon\nwheel:x:10:root\nusers:x:100:games\n"),
		program,
	}
	for _, name := range []string{"pause", "app", "bin/threads", "bin/setns-thread", "bin/act"} {
		link := tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: sleepPath[1:], Mode: 0o755}
		entries = append(entries, imagearchive.Entry{Header: link})
	}
	return imagearchive.WriteLayer(layer, entries...)
}

// File is an entry of an image: a file that anyone may read.
func File(path, text string) imagearchive.Entry {
	return imagearchive.Entry{Header: tar.Header{Name: path[1:], Mode: 0o644}, Content: []byte(text)}
}

// SetuidProgram is the test binary under another path. Whoever starts it becomes root.
func SetuidProgram(t testing.TB, path string) imagearchive.Entry {
	t.Helper()
	size, err := programSize()
	if err != nil {
		t.Fatal(err)
	}
	program := imagearchive.Program(path, reexec.Binary)
	program.Header.Size = size
	program.Header.Mode = 0o4755
	return program
}

// CapableProgram is the test binary under another path. Whoever starts it has these capabilities, by their numbers.
func CapableProgram(t testing.TB, path string, capabilities ...int) imagearchive.Entry {
	t.Helper()
	program := SetuidProgram(t, path)
	program.Header.Mode = 0o755
	// struct vfs_cap_data of linux/capability.h: revision 2, of which every capability is effective at once.
	const revision2, effective = 0x02000000, 1
	var permitted uint64
	for _, capability := range capabilities {
		permitted |= 1 << capability
	}
	words := []uint32{revision2 | effective, uint32(permitted), 0, uint32(permitted >> 32), 0}
	var value []byte
	for _, word := range words {
		value = binary.LittleEndian.AppendUint32(value, word)
	}
	program.Header.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": string(value)}
	program.Header.Format = tar.FormatPAX
	return program
}

// writeArchive writes the images. They have their lowest layer in common.
func (c *Containerd) writeArchive(to io.Writer, images []Image) error {
	archived := make([]imagearchive.Image, 0, len(images))
	for _, image := range images {
		layers := []string{c.layerFile()}
		if image.Root != "" {
			layers = []string{image.Root}
		}
		if len(image.Entries) > 0 {
			own, err := c.writeEntries(image.Entries)
			if err != nil {
				return err
			}
			layers = append(layers, own)
		}
		archived = append(archived, imagearchive.Image{
			Name:   image.Name,
			Config: ocispec.ImageConfig{Cmd: image.Command, Labels: image.Labels, User: image.User},
			Layers: layers,
		})
	}
	return imagearchive.Write(to, archived...)
}

// writeEntries writes a layer of entries and returns its file.
func (c *Containerd) writeEntries(entries []imagearchive.Entry) (string, error) {
	layer, err := os.CreateTemp(c.dir, "layer-*.tar")
	if err != nil {
		return "", err
	}
	return layer.Name(), errors.Join(imagearchive.WriteLayer(layer, entries...), layer.Close())
}
