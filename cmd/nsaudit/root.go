// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Exit codes that people script against.
const (
	exitDone     = 0
	exitFailed   = 1 // could not scan, or not read a file
	exitUsage    = 2
	exitFindings = 3 // findings, when --fail-on asks for it, or problems of a policy
)

// streams are the command's standard streams: results go to out, everything else to err.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// exitError is an error with an exit code. Without an error nothing is printed.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(err error) error { return &exitError{exitUsage, err} }

// run executes the command line and returns the exit code.
func run(ctx context.Context, args []string, std streams) int {
	root := newRoot(std)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		// Cobra's own errors: an unknown command or a missing argument.
		exit = &exitError{exitUsage, err}
	}
	if exit.err != nil {
		fmt.Fprintf(std.err, "nsaudit: %v\n", exit.err)
	}
	if exit.code == exitUsage {
		fmt.Fprintln(std.err, "Run 'nsaudit --help' or 'nsaudit COMMAND --help' for usage.")
	}
	return exit.code
}

func newRoot(std streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "nsaudit",
		Short: "Find the containers that really share the host's namespaces or ports",
		Long: `nsaudit compares the network, PID and IPC namespaces of every thread of every container
with the host's, finds which ports of the host lead into containers, and reports who
declared what is shared: the pod, the runtime spec, or nobody.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	root.AddCommand(newScan(std), newAgent(std), newPolicy(std), newVersion(std))
	return root
}
