// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/command"
	"github.com/nsaudit/nsaudit/integration/internal/vmwire"
)

// payload is everything that changes with the code under test.
type payload struct {
	image string // disk with the test binary, nsaudit and containerd
	guest string // the guest program, also the initramfs's /init
}

// buildPayload compiles the code as it is now and makes the payload disk.
func buildPayload(ctx context.Context, work string, opts options) (payload, error) {
	tree := filepath.Join(work, "payload")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return payload{}, fmt.Errorf("make payload: %w", err)
	}
	if err := compile(ctx, tree, opts.testPackage); err != nil {
		return payload{}, err
	}
	if err := writePlan(filepath.Join(tree, vmwire.PlanFile), opts); err != nil {
		return payload{}, err
	}
	if err := copyContainerd(opts.containerdDir, filepath.Join(tree, vmwire.ContainerdDir)); err != nil {
		return payload{}, err
	}
	testdata := filepath.Join(opts.testPackage, "testdata")
	if err := copyTree(testdata, filepath.Join(tree, "testdata")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return payload{}, fmt.Errorf("copy testdata: %w", err)
	}
	image := filepath.Join(work, "payload.ext4")
	if err := makeImage(ctx, tree, image, 0); err != nil {
		return payload{}, fmt.Errorf("make payload image: %w", err)
	}
	return payload{image: image, guest: filepath.Join(tree, vmwire.GuestBinary)}, nil
}

// compile builds the programs that go into the VM, static: they are to run on
// any user space.
func compile(ctx context.Context, dir, testPackage string) error {
	static := command.Setting{Env: []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64"}}
	builds := [][]string{
		{"build", "-o", filepath.Join(dir, vmwire.GuestBinary), "./integration/cmd/vmguest"},
		{"build", "-o", filepath.Join(dir, vmwire.NsauditBinary), "./cmd/nsaudit"},
		{"test", "-c", "-tags", "integration", "-o", filepath.Join(dir, vmwire.TestBinary), testPackage},
	}
	for _, args := range builds {
		if _, err := static.Run(ctx, "go", args...); err != nil {
			return fmt.Errorf("compile %s: %w", args[len(args)-1], err)
		}
	}
	// go test -c makes no binary, and no error, of a package without tests.
	if _, err := os.Stat(filepath.Join(dir, vmwire.TestBinary)); err != nil {
		return fmt.Errorf("package %s has no tests with the tag integration", testPackage)
	}
	return nil
}

func writePlan(path string, opts options) error {
	plan := vmwire.Plan{
		Args: []string{
			"-test.v",
			"-test.paniconexit0", // a test that exits early must not pass for success
			"-test.timeout=" + testTimeout(opts.timeout).String(),
		},
		Env: []string{
			"NSAUDIT_CONTAINERD_DIR=" + filepath.Join(vmwire.PayloadDir, vmwire.ContainerdDir),
			"NSAUDIT_BIN=" + filepath.Join(vmwire.PayloadDir, vmwire.NsauditBinary),
		},
	}
	if opts.testRun != "" {
		plan.Args = append(plan.Args, "-test.run="+opts.testRun)
	}
	content, err := json.Marshal(plan)
	if err != nil {
		return fmt.Errorf("encode plan: %w", err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	return nil
}

// testTimeout leaves time to boot and to print the goroutines of a stuck test,
// which says more than a VM that was stopped from outside.
func testTimeout(vm time.Duration) time.Duration {
	return max(vm-time.Minute, vm*3/4).Round(time.Second)
}

// copyContainerd checks that the directory has what the tests start.
func copyContainerd(from, to string) error {
	var missing []string
	for _, name := range []string{"containerd", "ctr", "containerd-shim-runc-v2", "runc", "cni"} {
		if _, err := os.Stat(filepath.Join(from, name)); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("-containerd-dir %s lacks %s", from, strings.Join(missing, ", "))
	}
	if err := copyTree(from, to); err != nil {
		return fmt.Errorf("copy containerd: %w", err)
	}
	return nil
}

// copyTree copies directories and files, and what links point to instead of the
// links: their targets would not be there in the VM.
func copyTree(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return copyFile(from, to, info.Mode().Perm())
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := copyTree(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string, permissions os.FileMode) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, permissions)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		return errors.Join(err, target.Close())
	}
	return target.Close()
}
