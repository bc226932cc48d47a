package main

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion(std streams) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version that this binary was built from",
		Example: "  nsaudit version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := printVersion(std.out); err != nil {
				return &exitError{exitFailed, fmt.Errorf("print version: %w", err)}
			}
			return nil
		},
	}
}

// printVersion prints what the Go toolchain recorded about the build.
func printVersion(w io.Writer) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		_, err := fmt.Fprintln(w, "nsaudit (built without module support)")
		return err
	}
	settings := make(map[string]string, len(info.Settings))
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	line := "nsaudit " + info.Main.Version
	if revision := settings["vcs.revision"]; revision != "" {
		line += " revision " + revision
	}
	if settings["vcs.modified"] == "true" {
		line += " (modified)"
	}
	_, err := fmt.Fprintf(w, "%s %s %s/%s\n", line, info.GoVersion, settings["GOOS"], settings["GOARCH"])
	return err
}
