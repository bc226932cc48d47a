// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/nsaudit/nsaudit/agent/report/metrics"
)

func newVersion(std streams) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version that this binary was built from",
		Example: "  nsaudit version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			line := "nsaudit " + build().Version
			if revision := build().Revision; revision != "" {
				line += " revision " + revision
			}
			if _, err := fmt.Fprintf(std.out, "%s %s %s/%s\n", line, runtime.Version(), runtime.GOOS, runtime.GOARCH); err != nil {
				return &exitError{exitFailed, fmt.Errorf("print version: %w", err)}
			}
			return nil
		},
	}
}

// build is what the Go toolchain recorded about the build.
func build() metrics.Build {
	build := metrics.Build{Version: "unknown", GoVersion: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return build
	}
	build.Version = info.Main.Version
	modified := ""
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			build.Revision = setting.Value
		case "vcs.modified":
			if setting.Value == "true" {
				modified = " (modified)"
			}
		}
	}
	build.Revision += modified
	return build
}
