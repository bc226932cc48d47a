// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// moduleIndex is what depmod found out: for each module, by name, its file and
// the files of the modules that it needs.
type moduleIndex map[string]moduleEntry

type moduleEntry struct {
	path  string
	needs []string
}

// copyEarlyModules copies the boot modules and what they need from a directory
// /lib/modules/RELEASE to another, with names that sort in the order of loading.
func copyEarlyModules(from, to string) error {
	dep, err := os.ReadFile(filepath.Join(from, "modules.dep"))
	if err != nil {
		return fmt.Errorf("read module dependencies: %w", err)
	}
	builtin, err := os.ReadFile(filepath.Join(from, "modules.builtin"))
	if err != nil {
		return fmt.Errorf("read list of built-in modules: %w", err)
	}
	paths, err := loadOrder(parseModulesDep(string(dep)), builtinNames(string(builtin)), bootModules())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("make directory of early modules: %w", err)
	}
	for i, path := range paths {
		target := filepath.Join(to, fmt.Sprintf("%02d-%s", i, filepath.Base(path)))
		if err := copyFile(filepath.Join(from, path), target, 0o644); err != nil {
			return fmt.Errorf("copy early module: %w", err)
		}
	}
	return nil
}

// loadOrder returns the files of the wanted modules, each after those it needs.
func loadOrder(index moduleIndex, builtin map[string]bool, wanted []string) ([]string, error) {
	var order []string
	var visit func(name string) error
	visit = func(name string) error {
		entry, found := index[name]
		switch {
		case !found && builtin[name]:
			return nil
		case !found:
			return fmt.Errorf("the kernel has no module %s", name)
		case slices.Contains(order, entry.path):
			return nil
		}
		for _, need := range entry.needs {
			if err := visit(moduleName(need)); err != nil {
				return err
			}
		}
		order = append(order, entry.path)
		return nil
	}
	for _, name := range wanted {
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// parseModulesDep reads modules.dep: "FILE: FILE FILE ..." a line. Modules that
// need each other do not exist, depmod refuses them.
func parseModulesDep(text string) moduleIndex {
	index := moduleIndex{}
	for line := range strings.Lines(text) {
		path, needs, found := strings.Cut(line, ":")
		if found {
			index[moduleName(path)] = moduleEntry{path: path, needs: strings.Fields(needs)}
		}
	}
	return index
}

// builtinNames reads modules.builtin: one FILE a line.
func builtinNames(text string) map[string]bool {
	names := map[string]bool{}
	for line := range strings.Lines(text) {
		names[moduleName(strings.TrimSpace(line))] = true
	}
	return names
}

// moduleName turns a file like kernel/drivers/virtio/virtio-rng.ko.xz into the
// module's name. The kernel takes - and _ for the same.
func moduleName(path string) string {
	name, _, _ := strings.Cut(filepath.Base(path), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}
