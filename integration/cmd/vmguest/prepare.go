// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// units are the systemd units of the test run. They travel in the initramfs, not
// in the cached root image, so that changing one does not rebuild the image.
//
//go:embed units/*
var units embed.FS

// prepareRoot completes the root tree, which is nothing but Debian packages, to
// a system that boots straight into the test run.
func prepareRoot(root string) error {
	// systemd keeps a /run that it finds mounted: our units survive there.
	if err := mountAll(mount{"tmpfs", root + "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755"}); err != nil {
		return err
	}
	files := map[string]string{
		"/etc/hostname": "nsaudit-vm\n",
		"/etc/hosts":    "127.0.0.1 localhost nsaudit-vm\n::1 localhost\n",
		// A machine with an ID is not on its first boot: no questions asked.
		"/etc/machine-id": "6e736175646974766d6e736175646974\n",
		// Newer than /usr, so that systemd does not rebuild caches at boot.
		"/etc/.updated": "",
		"/var/.updated": "",
	}
	for path, content := range files {
		if err := os.WriteFile(root+path, []byte(content), 0o644); err != nil {
			return fmt.Errorf("prepare root: %w", err)
		}
	}
	return writeUnits(filepath.Join(root, "run/systemd/system"))
}

func writeUnits(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make unit directory: %w", err)
	}
	entries, err := units.ReadDir("units")
	if err != nil {
		return fmt.Errorf("list units: %w", err)
	}
	for _, entry := range entries {
		content, err := units.ReadFile("units/" + entry.Name())
		if err != nil {
			return fmt.Errorf("read unit: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, entry.Name()), content, 0o644); err != nil {
			return fmt.Errorf("write unit: %w", err)
		}
	}
	return nil
}
