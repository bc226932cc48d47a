// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/nsaudit/nsaudit/agent/policy"
	"github.com/nsaudit/nsaudit/agent/report/table"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1/convert"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

func newScan(std streams) *cobra.Command {
	options := defaultScanOptions()
	cmd := &cobra.Command{
		Use:   "scan",
		Short: "Scan this machine once and list what its containers share with it, and what restricts them",
		Long: `scan reads /proc and containerd's lists, compares the network, PID and IPC namespaces of
every thread of every container with the host's, finds which ports of the host lead into
containers, and compares users, capabilities, seccomp filters and mounts with what was
declared. It prints what is shared, what differs from the declaration, and what could not be
seen.

It needs no cluster. Without containerd it recognises containers by their cgroups. Run it
as root: it needs CAP_SYS_PTRACE to read other users' processes, CAP_NET_ADMIN to read the
packet filter, and access to containerd's socket.

` + settingsHelp + ` --node is the same as --node-name.

Exit codes: 0 done, 1 could not scan, 2 usage, 3 findings, as asked for with --fail-on.
With --fail-on undeclared, warning or any, 0 also means that nothing is unknown: else it
is 1. What the policy expects is never a reason to fail.`,
		Example: `  nsaudit scan                              # this machine
  nsaudit scan -o json | jq .findings       # for scripts
  nsaudit scan -n kube-system               # pods of one namespace
  nsaudit scan --fail-on undeclared         # exit code 3 if anything shared is not declared
  nsaudit scan --policy policy.yaml --fail-on warning   # exit code 3 if there is anything to act on
  nsaudit scan -o wide                      # also the security context of each container
  nsaudit scan --show-posture               # who runs as root, without a seccomp filter, ...
  nsaudit scan --level                      # which Pod Security level each pod really has
  nsaudit scan --checks=-RootUser           # leave a check out
  nsaudit scan --save node-a.json           # keep what was seen ...
  nsaudit scan --from node-a.json -o wide   # ... and judge it again elsewhere
  nsaudit scan --procfs /host/proc          # from inside a container
  NSAUDIT_OUTPUT=wide nsaudit scan          # a flag as an environment variable`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			given := onCommandLine(cmd.Flags())
			err := errors.Join(
				applySettings(cmd.Name(), cmd.Flags(), os.Getenv),
				options.validate(cmd.Flags().Changed, func(flag string) bool { return given[flag] }),
			)
			if err != nil {
				return usageError(err)
			}
			return runScan(cmd.Context(), std, options)
		},
	}
	options.register(cmd)
	return cmd
}

// runScan takes or loads a snapshot, and shows it. What was found is also shown if the scan
// failed.
func runScan(ctx context.Context, std streams, options *scanOptions) error {
	rules := policy.Empty()
	if options.policy != "" {
		var err error
		if rules, err = readPolicy(options.policy, std.in); err != nil {
			return &exitError{exitFailed, err}
		}
	}
	snap, scanErr := obtain(ctx, std, options)
	if snap == nil {
		return &exitError{exitFailed, scanErr}
	}
	if options.save != "" {
		if err := saveSnapshot(options.save, snap); err != nil {
			scanErr = errors.Join(scanErr, err)
		}
	}
	selection, _ := options.selection() // It was validated.
	filter := convert.Filter{Namespace: options.namespace, Pod: options.pod}
	result := convert.FromResult(rules.Apply(selection.Judge(snap)), filter)
	if err := show(std, options, result); err != nil {
		return &exitError{exitFailed, errors.Join(scanErr, err)}
	}
	return verdict(options, result, scanErr)
}

// obtain loads a saved snapshot or takes one of this machine.
func obtain(ctx context.Context, std streams, options *scanOptions) (*snapshot.Snapshot, error) {
	if options.from != "" {
		return load(ctx, options.from, std.in)
	}
	ctx, cancel := context.WithTimeout(ctx, options.timeout)
	defer cancel()
	progress := startProgress(std.err, slowAfter)
	defer progress.stop()
	snap, err := takeSnapshot(ctx, std, &options.nodeFlags, options.depth(), progress.next)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: not done within --timeout %s", err, options.timeout)
	}
	return snap, err
}

// load reads a snapshot. From a pipe that delivers nothing it waits until the context ends.
func load(ctx context.Context, path string, in io.Reader) (*snapshot.Snapshot, error) {
	type loaded struct {
		snap *snapshot.Snapshot
		err  error
	}
	done := make(chan loaded, 1)
	go func() {
		snap, err := loadSnapshot(path, in)
		done <- loaded{snap, err}
	}()
	select {
	case result := <-done:
		return result.snap, result.err
	case <-ctx.Done():
		return nil, fmt.Errorf("load snapshot: %w", ctx.Err())
	}
}

func show(std streams, options *scanOptions, result *v1alpha1.Scan) error {
	switch options.output {
	case "json":
		return result.JSON(std.out)
	case "yaml":
		return result.YAML(std.out)
	}
	return table.Write(std.out, result, table.Options{
		Wide:         options.output == "wide",
		ShowExpected: options.showExpected,
		ShowPosture:  options.showPosture,
		Levels:       options.level,
		NoHeaders:    options.noHeaders,
		Color:        options.colored(std.out),
		Filtered:     options.namespace != "" || options.pod != "",
	})
}

// verdict turns a scan into the exit code.
func verdict(options *scanOptions, result *v1alpha1.Scan, scanErr error) error {
	if scanErr != nil {
		return &exitError{exitFailed, scanErr}
	}
	if result.Host.Reference == v1alpha1.HostNone {
		return &exitError{exitFailed, errors.New("no host reference, so no verdict: name a process of the host with --host-pid, and see above for what was tried")}
	}
	if options.failOn == failNever {
		return nil
	}
	for i := range result.Findings {
		if options.failsOn(&result.Findings[i]) {
			return &exitError{code: exitFindings}
		}
	}
	if n := len(result.Coverage.Unknown); n > 0 {
		return &exitError{exitFailed, fmt.Errorf("nothing found to fail on, but %d things are unknown", n)}
	}
	return nil
}

// failsOn reports whether a finding is one of those that --fail-on asks for.
func (o *scanOptions) failsOn(finding *v1alpha1.Finding) bool {
	switch {
	case finding.Expected != nil:
		return false
	case o.failOn == failUndeclared:
		return !finding.DeclaredBy.Declared()
	case o.failOn == failWarning:
		return finding.Warns()
	}
	return true
}

// slowAfter is when a scan begins to report its progress.
const slowAfter = 2 * time.Second
