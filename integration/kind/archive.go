package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// image is a container image of one static program, and of at most one layer of
// files below it.
type image struct {
	name    string // with its tag
	program string // a file of this machine
	path    string // of the program in the image
	base    string // a tar of the files below, or none
}

// write writes the image as docker save would. The layers stay uncompressed:
// they are read once, on this machine.
func (i image) write(file string) error {
	work, err := os.MkdirTemp(filepath.Dir(file), "layers-")
	if err != nil {
		return fmt.Errorf("make image: %w", err)
	}
	defer os.RemoveAll(work)
	top := filepath.Join(work, "program.tar")
	if err := writeLayer(top, i.program, i.path); err != nil {
		return err
	}
	layers := []string{top}
	if i.base != "" {
		layers = []string{i.base, top}
	}
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("make image: %w", err)
	}
	archive := tar.NewWriter(out)
	err = i.writeArchive(archive, layers)
	if err == nil {
		err = archive.Close()
	}
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("make image %s: %w", i.name, err)
	}
	return nil
}

func (i image) writeArchive(archive *tar.Writer, layers []string) error {
	var names, digests []string
	for n, layer := range layers {
		digest, err := digestOf(layer)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("layer%d.tar", n)
		if err := addFile(archive, layer, name, 0o644); err != nil {
			return err
		}
		names, digests = append(names, name), append(digests, "sha256:"+digest)
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           runtime.GOOS,
		"config": map[string]any{
			"Entrypoint": []string{i.path},
			"Env":        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": digests},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{i.name}, "Layers": names}})
	if err != nil {
		return err
	}
	if err := addBytes(archive, config, "config.json"); err != nil {
		return err
	}
	return addBytes(archive, manifest, "manifest.json")
}

// writeLayer writes a layer of one program.
func writeLayer(file, program, path string) error {
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("make layer: %w", err)
	}
	layer := tar.NewWriter(out)
	err = addFile(layer, program, path[1:], 0o755)
	if err == nil {
		err = layer.Close()
	}
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("make layer: %w", err)
	}
	return nil
}

func addFile(archive *tar.Writer, file, name string, mode int64) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(archive, in)
	return err
}

func addBytes(archive *tar.Writer, content []byte, name string) error {
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := archive.Write(content)
	return err
}

func digestOf(file string) (string, error) {
	in, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer in.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, in); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
