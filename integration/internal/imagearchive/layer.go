// SPDX-License-Identifier: Apache-2.0

package imagearchive

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
)

// Entry is a directory, file or link of a layer.
type Entry struct {
	Header  tar.Header // whose Size may be left out
	File    string     // whose content it has, up to the header's size
	Content []byte     // that it has if there is no file
}

// Program is the entry of a program: a file of this machine under its path in the image.
func Program(path, file string) Entry {
	return Entry{Header: tar.Header{Name: path[1:], Mode: 0o755}, File: file}
}

// Symlink is the entry of a link.
func Symlink(path, target string) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: path[1:], Linkname: target, Mode: 0o777}}
}

// Directory is the entry of a directory.
func Directory(path string, mode int64) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeDir, Name: path[1:] + "/", Mode: mode}}
}

// WriteLayer writes a layer of entries.
func WriteLayer(to io.Writer, entries ...Entry) error {
	layer := tar.NewWriter(to)
	for _, e := range entries {
		if err := e.write(layer); err != nil {
			return fmt.Errorf("write %s of layer: %w", e.Header.Name, err)
		}
	}
	if err := layer.Close(); err != nil {
		return fmt.Errorf("complete layer: %w", err)
	}
	return nil
}

func (e Entry) write(to *tar.Writer) error {
	if e.File == "" {
		e.Header.Size = int64(len(e.Content))
		return e.copy(to, bytes.NewReader(e.Content))
	}
	file, err := os.Open(e.File)
	if err != nil {
		return err
	}
	defer file.Close()
	if e.Header.Size == 0 {
		info, err := file.Stat()
		if err != nil {
			return err
		}
		e.Header.Size = info.Size()
	}
	return e.copy(to, file)
}

func (e Entry) copy(to *tar.Writer, content io.Reader) error {
	if err := to.WriteHeader(&e.Header); err != nil {
		return err
	}
	_, err := io.CopyN(to, content, e.Header.Size)
	return err
}
