// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nsaudit/nsaudit/integration/internal/vmwire"
)

// makeInitrd writes the initramfs: the guest program as /init, and the drivers
// that it loads first. It is not compressed, because an emulated processor takes
// longer to decompress it than the host to hand it over.
func makeInitrd(path, guest, earlyModules string) error {
	var archive bytes.Buffer
	w := cpioWriter{out: &archive}
	content, err := os.ReadFile(guest)
	if err != nil {
		return fmt.Errorf("read guest program: %w", err)
	}
	w.file("init", 0o755, content)
	w.directory(vmwire.EarlyModules)
	entries, err := os.ReadDir(earlyModules)
	if err != nil {
		return fmt.Errorf("list early modules: %w", err)
	}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(earlyModules, entry.Name()))
		if err != nil {
			return fmt.Errorf("read early module: %w", err)
		}
		w.file(vmwire.EarlyModules+"/"+entry.Name(), 0o644, content)
	}
	w.end()
	if err := os.WriteFile(path, archive.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write initramfs: %w", err)
	}
	return nil
}

// File types as in st_mode.
const (
	cpioDirectory = 0o040000
	cpioRegular   = 0o100000
)

// cpioWriter writes the "newc" format that the kernel unpacks; see
// Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.
type cpioWriter struct {
	out   *bytes.Buffer
	inode int
}

func (w *cpioWriter) directory(name string) { w.entry(name, cpioDirectory|0o755, nil) }

func (w *cpioWriter) file(name string, permissions int, content []byte) {
	w.entry(name, cpioRegular|permissions, content)
}

func (w *cpioWriter) end() { w.entry("TRAILER!!!", 0, nil) }

func (w *cpioWriter) entry(name string, mode int, content []byte) {
	w.inode++
	w.out.WriteString("070701")
	for _, field := range []int{
		w.inode, mode, 0, 0, // uid, gid
		1, 0, len(content), // links, mtime
		0, 0, 0, 0, // device numbers
		len(name) + 1, 0, // checksum, unused
	} {
		fmt.Fprintf(w.out, "%08X", field)
	}
	w.out.WriteString(name + "\x00")
	w.pad()
	w.out.Write(content)
	w.pad()
}

// pad aligns what follows to four bytes.
func (w *cpioWriter) pad() {
	for w.out.Len()%4 != 0 {
		w.out.WriteByte(0)
	}
}
