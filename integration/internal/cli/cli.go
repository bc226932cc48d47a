// SPDX-License-Identifier: Apache-2.0

// Package cli holds the main function of the commands that prepare machines and clusters for the integration tests.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Run is what a command does, given its arguments without its own name.
type Run func(ctx context.Context, args []string, out io.Writer) error

// Main runs a command until it ends or is interrupted, and returns the exit code. It prints an error after the
// command's name.
func Main(name string, run Run) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return exitCode(name, run(ctx, os.Args[1:], os.Stdout), os.Stderr)
}

func exitCode(name string, err error, errOut io.Writer) int {
	// The flag set has printed the help that was asked for.
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintf(errOut, "%s: %v\n", name, err)
	return 1
}
