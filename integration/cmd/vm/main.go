// SPDX-License-Identifier: Apache-2.0

// Command vm runs the containerd integration tests on the kernels that Debian
// ships: pure cgroup v2, AppArmor enforcing, systemd as process 1. Each suite
// named on the command line is booted once in an emulated machine.
//
//	go run ./integration/cmd/vm -cache DIR -containerd-dir DIR bookworm [bullseye trixie ...]
//
// It is to be run from the root of the repository, by root (the root file system
// is made of root's files).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/nsaudit/nsaudit/integration/internal/buildcache"
	"github.com/nsaudit/nsaudit/integration/internal/cli"
	"github.com/nsaudit/nsaudit/integration/internal/command"
)

func main() { os.Exit(cli.Main("vm", run)) }

// keptPrefix is that of directories that were kept on request.
const keptPrefix = "kept-"

// staleAfter is the age at which no other run can still be using a temporary directory: the run that made it was killed.
const staleAfter = 24 * time.Hour

// defaultTimeout is twice what the tests take on 2 idle cores: each of them starts a containerd, and a cluster that is
// up on the same machine slows the emulation by a third.
const defaultTimeout = 25 * time.Minute

// options is the command line.
type options struct {
	cache         string
	containerdDir string
	testPackage   string
	testRun       string
	timeout       time.Duration
	keep          bool
	suites        []string
}

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("vm", flag.ContinueOnError)
	flags.StringVar(&o.cache, "cache", "", "directory for built artifacts: root file system and kernels")
	flags.StringVar(&o.containerdDir, "containerd-dir", "", "directory with containerd, ctr, containerd-shim-runc-v2, runc and cni/")
	flags.StringVar(&o.testPackage, "package", "./integration/containerd", "package whose tests, with the tag integration, are run")
	flags.StringVar(&o.testRun, "run", "", "run only the tests that match, like go test -run")
	flags.DurationVar(&o.timeout, "timeout", defaultTimeout, "limit for each kernel, from its boot to its end")
	flags.BoolVar(&o.keep, "keep", false, "keep the images of this run")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	o.suites = flags.Args()
	switch {
	case o.cache == "" || o.containerdDir == "":
		return options{}, errors.New("-cache and -containerd-dir are needed")
	case len(o.suites) == 0:
		return options{}, errors.New("name at least one Debian suite, for example bookworm")
	}
	var err error
	if o.cache, err = filepath.Abs(o.cache); err != nil {
		return options{}, fmt.Errorf("resolve -cache: %w", err)
	}
	return o, nil
}

// run prepares what all kernels share, then boots one kernel after the other:
// an emulated machine takes all the processors there are.
func run(ctx context.Context, args []string, out io.Writer) error {
	opts, err := parseOptions(args)
	if err != nil {
		return err
	}
	if err := command.CompletePath(); err != nil {
		return err
	}
	if err := checkPrograms(); err != nil {
		return err
	}
	store := buildcache.Cache{
		Dir:      filepath.Join(opts.cache, "vm"),
		Progress: buildcache.Progress{Program: "vm", Out: out},
	}
	if err := store.Sweep(time.Now().Add(-staleAfter)); err != nil {
		return err
	}
	work, release, err := workspace(store, opts.keep)
	if err != nil {
		return err
	}
	defer release()
	payload, err := buildPayload(ctx, work, opts)
	if err != nil {
		return err
	}
	rootfs, err := buildRootfs(ctx, store)
	if err != nil {
		return err
	}
	return runSuites(ctx, store, machine{
		rootfs: rootfs, payload: payload.image, guest: payload.guest, work: work, timeout: opts.timeout, out: out,
	}, opts.suites)
}

// checkPrograms fails with the names of the Debian packages to install.
func checkPrograms() error {
	if err := command.Need(
		command.Program{Name: "apt-get", Package: "apt"},
		command.Program{Name: "depmod", Package: "kmod"},
		command.Program{Name: "dpkg-deb", Package: "dpkg"},
		command.Program{Name: "mkfs.ext4", Package: "e2fsprogs"},
		command.Program{Name: "mmdebstrap", Package: "mmdebstrap"},
		command.Program{Name: "qemu-system-x86_64", Package: "qemu-system-x86"},
	); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("must be run by root, who will own the files of the root file system")
	}
	return nil
}

// workspace makes the directory for the images of this run.
func workspace(store buildcache.Cache, keep bool) (dir string, release func(), err error) {
	if !keep {
		dir, err = store.Temporary(buildcache.RunPrefix)
		return dir, func() { _ = os.RemoveAll(dir) }, err // what is left is swept later
	}
	dir, err = store.Temporary(keptPrefix)
	return dir, func() { store.Progress.Logf("the images of this run are in %s", dir) }, err
}

// runSuites tries every kernel, also after a failure, and sums up at the end.
func runSuites(ctx context.Context, store buildcache.Cache, m machine, suites []string) error {
	var results []result
	for _, suite := range suites {
		results = append(results, runSuite(ctx, store, m, suite))
		if ctx.Err() != nil {
			break
		}
	}
	failed := 0
	for _, r := range results {
		fmt.Fprintln(m.out, r.summary())
		if len(r.problems()) > 0 {
			failed++
		}
	}
	if len(results) < len(suites) {
		return fmt.Errorf("interrupted after %d of %d kernels", len(results), len(suites))
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d kernels failed", failed, len(suites))
	}
	return nil
}

func runSuite(ctx context.Context, store buildcache.Cache, m machine, suite string) result {
	kernel, err := buildKernel(ctx, store, suite)
	if err != nil {
		fmt.Fprintf(m.out, "vm: prepare kernel of %s: %v\n", suite, err)
		return result{suite: suite, release: "?", err: errors.New("the kernel could not be prepared")}
	}
	m.console = filepath.Join(store.Dir, "console-"+suite+".log")
	return m.boot(ctx, kernel)
}
