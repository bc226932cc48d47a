// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"
)

func newAgent(std streams) *cobra.Command {
	options := defaultAgentOptions()
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Scan this node periodically and report findings as Events and metrics",
		Long: `agent scans the node periodically, and each container as soon as it starts. It reports
the containers that share the host's namespaces or ports as metrics on /metrics and as log
lines on standard output, and those that it warns of as Kubernetes Events.

It runs as a DaemonSet; without a cluster it sends no Events and does the rest. It needs
what scan needs: CAP_SYS_PTRACE, CAP_NET_ADMIN and access to containerd's socket.

` + settingsHelp,
		Example: `  nsaudit agent                                  # in a pod, or on a machine without a cluster
  nsaudit agent --kubeconfig ~/.kube/config --node-name node-a
  nsaudit agent --once                           # scan once, report, and end
  nsaudit agent --config /etc/nsaudit.yaml       # with a line "interval: 1m", for example
  curl http://localhost:9547/metrics             # what it found`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := errors.Join(
				applySettings(cmd.Name(), cmd.Flags(), os.Getenv),
				options.validate(cmd.Flags().Changed),
			)
			if err != nil {
				return usageError(err)
			}
			return runAgent(cmd.Context(), std, options)
		},
	}
	options.register(cmd.Flags())
	return cmd
}

// runAgent scans until the context ends. Settings that are wrong end it before anything is
// started; what fails later is reported and retried.
func runAgent(ctx context.Context, std streams, options *agentOptions) error {
	procfs, err := options.openProcfs()
	if err != nil {
		return &exitError{exitFailed, err}
	}
	defer func() { _ = procfs.Close() }() // Nothing was written to it.
	service, err := newService(std, options, procfs)
	if err != nil {
		return &exitError{exitFailed, err}
	}
	run := service.run
	if options.once {
		run = service.once
	}
	if err := run(ctx); err != nil {
		return &exitError{exitFailed, err}
	}
	return nil
}
