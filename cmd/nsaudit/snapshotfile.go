// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// saveSnapshot writes the file whole or not at all, readable by its owner only: it names
// what runs on a node.
func saveSnapshot(path string, snap *snapshot.Snapshot) error {
	// A link is followed, and nothing but a file is ever replaced: not /dev/null.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("save snapshot: %s is not a regular file", path)
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	err = snapshot.Encode(file, snap)
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("save snapshot: %w", err), os.Remove(file.Name()))
	}
	return nil
}

func loadSnapshot(path string, in io.Reader) (*snapshot.Snapshot, error) {
	if path == "-" {
		return snapshot.Decode(in)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("load snapshot: %w", err)
	}
	snap, err := snapshot.Decode(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return snap, nil
}
