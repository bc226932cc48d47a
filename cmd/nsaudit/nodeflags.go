// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory/containerd"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// nodeFlags are the flags about the node that is scanned: the same ones for every command
// that scans.
type nodeFlags struct {
	config  string
	procfs  string
	hostPID int
	address string
	node    string
	policy  string
	checks  string
	timeout time.Duration
}

func defaultNodeFlags() nodeFlags {
	return nodeFlags{procfs: nsinspect.DefaultRoot, checks: "default", timeout: time.Minute}
}

func (f *nodeFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.config, configFlag, f.config, "YAML file with settings: its keys are the names of these flags")
	flags.StringVar(&f.procfs, "procfs", f.procfs, "where the host's procfs is mounted")
	flags.IntVar(&f.hostPID, "host-pid", f.hostPID, "process whose namespaces stand for the host's (default pid 1, else containerd, else the kernel's kthreadd)")
	flags.StringVar(&f.address, "containerd-address", f.address, "containerd's socket (default the first that exists of the usual ones: containerd, k3s, RKE2, MicroK8s, k0s, Docker)")
	flags.StringVar(&f.node, "node-name", f.node, "name of the Kubernetes Node, or of the machine (default the host name, outside a cluster)")
	flags.StringVar(&f.policy, "policy", f.policy, "YAML file with rules that say which findings are expected (see nsaudit policy --help)")
	flags.StringVar(&f.checks, "checks", f.checks, "checks and reasons to report, separated by commas: default, all, their names (docs/checks.md), and with - before one to leave it out")
	flags.DurationVar(&f.timeout, "timeout", f.timeout, "time that one scan may take; what it found until then is reported")
}

// maxNodeName caps the node's name: Events carry it in a field of this size.
const maxNodeName = 128

// validate reports all errors together. Changed reports whether a flag was set.
func (f *nodeFlags) validate(changed func(flag string) bool) error {
	var errs []error
	if changed("host-pid") && f.hostPID <= 0 {
		errs = append(errs, fmt.Errorf("--host-pid %d: want the positive id of a process", f.hostPID))
	}
	if _, err := f.selection(); err != nil {
		errs = append(errs, fmt.Errorf("--checks: %w", err))
	}
	if f.timeout <= 0 {
		errs = append(errs, fmt.Errorf("--timeout %s: want a positive time", f.timeout))
	}
	if len(f.node) > maxNodeName {
		errs = append(errs, fmt.Errorf("--node-name: want at most %d bytes", maxNodeName))
	}
	if f.address != "" {
		if _, err := containerd.ParseAddress(f.address); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// selection is which findings are wanted.
func (f *nodeFlags) selection() (*audit.Selection, error) {
	return audit.ParseSelection(strings.Split(f.checks, ","))
}

// openProcfs opens the host's procfs.
func (f *nodeFlags) openProcfs() (*nsinspect.FS, error) {
	procfs, err := nsinspect.NewFS(f.procfs)
	if err != nil {
		return nil, fmt.Errorf("%w: mount the host's procfs there, or name the place with --procfs", err)
	}
	return procfs, nil
}

// nodeName is the name that the node is reported under.
func (f *nodeFlags) nodeName() (string, error) {
	if f.node != "" {
		return f.node, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("%w: name this machine with --node-name", err)
	}
	return name, nil
}

// hosts are the processes that may stand for the host, the best first. Where this process
// itself is pid 1 it runs in a container of its own, which is not the host. Daemon is the pid
// of containerd, or 0.
func (f *nodeFlags) hosts(self, daemon int) []nsinspect.HostCandidate {
	if f.hostPID > 0 {
		return []nsinspect.HostCandidate{{Reference: nsinspect.ByHostPID, PID: f.hostPID}}
	}
	var candidates []nsinspect.HostCandidate
	if self != 1 {
		candidates = append(candidates, nsinspect.HostCandidate{Reference: nsinspect.ByPID1, PID: 1})
	}
	if daemon > 0 {
		candidates = append(candidates, nsinspect.HostCandidate{Reference: runtimes.Containerd, PID: daemon})
	}
	return append(candidates, nsinspect.HostCandidate{Reference: nsinspect.ByKthreadd, PID: nsinspect.KthreaddPID})
}
