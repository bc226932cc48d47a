// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/integration/internal/vmwire"
)

// newRoot is where the root disk is mounted before it becomes the root.
const newRoot = "/root"

// diskWait bounds the wait for a disk to appear after its driver was loaded.
const diskWait = 20 * time.Second

// mount is one call of mount(2).
type mount struct {
	source, target, fstype string
	flags                  uintptr
	options                string
}

// boot turns the initramfs into the running system. It returns only on failure,
// and then the kernel panics, which ends the VM with the error on the console.
func boot() error {
	if err := mountAll(
		mount{"proc", "/proc", "proc", 0, ""},
		mount{"sysfs", "/sys", "sysfs", 0, ""},
		mount{"devtmpfs", "/dev", "devtmpfs", 0, ""},
	); err != nil {
		return err
	}
	if err := loadModules("/" + vmwire.EarlyModules); err != nil {
		return err
	}
	if err := mountDisks(); err != nil {
		return err
	}
	if err := prepareRoot(newRoot); err != nil {
		return err
	}
	return switchRoot(newRoot, "/sbin/init")
}

func mountAll(mounts ...mount) error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return fmt.Errorf("make mount point: %w", err)
		}
		if err := unix.Mount(m.source, m.target, m.fstype, m.flags, m.options); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.source, m.target, err)
		}
	}
	return nil
}

// loadModules loads every module of dir in the order of the names: the host
// has put the modules that others need in front of them.
func loadModules(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil // everything needed is built into this kernel
	}
	if err != nil {
		return fmt.Errorf("list kernel modules: %w", err)
	}
	for _, entry := range entries {
		if err := loadModule(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

func loadModule(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open kernel module: %w", err)
	}
	defer file.Close()
	flags := 0
	if !strings.HasSuffix(path, ".ko") {
		flags = unix.MODULE_INIT_COMPRESSED_FILE
	}
	err = unix.FinitModule(int(file.Fd()), "", flags)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("load %s: %w", path, err)
	}
	return nil
}

func mountDisks() error {
	disks := []struct {
		serial string
		mount
	}{
		// noinit_itable: zeroing unused inode tables in the background is work
		// for a disk that lives longer than a minute.
		{vmwire.DiskRoot, mount{"", newRoot, "ext4", 0, "noinit_itable"}},
		{vmwire.DiskModules, mount{"", newRoot + "/usr/lib/modules", "ext4", unix.MS_RDONLY, ""}},
		{vmwire.DiskPayload, mount{"", newRoot + vmwire.PayloadDir, "ext4", unix.MS_RDONLY, ""}},
	}
	for _, disk := range disks {
		device, err := findDisk(disk.serial)
		if err != nil {
			return err
		}
		disk.source = device
		if err := mountAll(disk.mount); err != nil {
			return err
		}
	}
	return nil
}

// findDisk returns the device of the virtio disk with that serial number.
func findDisk(serial string) (string, error) {
	for deadline := time.Now().Add(diskWait); ; time.Sleep(50 * time.Millisecond) {
		paths, err := filepath.Glob("/sys/block/vd*/serial")
		if err != nil {
			return "", fmt.Errorf("list disks: %w", err)
		}
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err == nil && strings.TrimSpace(string(content)) == serial {
				return "/dev/" + filepath.Base(filepath.Dir(path)), nil
			}
		}
		if time.Now().After(deadline) {
			return "", fmt.Errorf("no disk with serial %q among %q", serial, paths)
		}
	}
}

// switchRoot makes root the root of the mount namespace and becomes its init.
// The initramfs's own files are left in memory: a few megabytes.
func switchRoot(root, init string) error {
	for _, dir := range []string{"/dev", "/proc", "/sys"} {
		if err := unix.Mount(dir, root+dir, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s: %w", dir, err)
		}
	}
	if err := unix.Chdir(root); err != nil {
		return fmt.Errorf("enter new root: %w", err)
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move new root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("change root: %w", err)
	}
	if err := unix.Exec(init, []string{init}, os.Environ()); err != nil {
		return fmt.Errorf("execute %s: %w", init, err)
	}
	return nil
}
