// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/nsaudit/nsaudit/agent/scan"
)

// Values of --fail-on.
const (
	failNever      = "never"
	failUndeclared = "undeclared"
	failWarning    = "warning"
	failAny        = "any"
)

// scanOptions are the flags of scan.
type scanOptions struct {
	nodeFlags

	output, failOn, color string
	noHeaders             bool
	showExpected          bool
	showPosture           bool
	level                 bool
	namespace, pod        string
	save, from            string
}

func defaultScanOptions() *scanOptions {
	return &scanOptions{
		nodeFlags: defaultNodeFlags(),
		output:    "table",
		failOn:    failNever,
		color:     "auto",
	}
}

// choices are the flags that take one of a few words.
func (o *scanOptions) choices() map[string][]string {
	return map[string][]string{
		"output":  {"table", "wide", "json", "yaml"},
		"fail-on": {failUndeclared, failWarning, failAny, failNever},
		"color":   {"auto", "always", "never"},
	}
}

func (o *scanOptions) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	o.nodeFlags.register(flags)
	flags.SetNormalizeFunc(withAliases)
	flags.StringVarP(&o.output, "output", "o", o.output, "format: table, wide, json or yaml")
	flags.StringVar(&o.failOn, "fail-on", o.failOn, "exit with code 3 on findings that the policy does not expect: undeclared (not known to be asked for), warning (those to act on), any or never")
	flags.StringVar(&o.color, "color", o.color, "colours: auto (on a terminal, unless NO_COLOR is set), always or never")
	flags.BoolVar(&o.noHeaders, "no-headers", o.noHeaders, "leave out the table's headings")
	flags.BoolVar(&o.showExpected, "show-expected", o.showExpected, "list what the policy expects with the rest, instead of a line for each rule")
	flags.BoolVar(&o.showPosture, "show-posture", o.showPosture, "list what is declared and common with the rest (containers that run as root, ...), instead of a line that counts it")
	flags.BoolVar(&o.level, "level", o.level, "list the pods by the Pod Security level that the kernel enforces, instead of the findings")
	flags.StringVarP(&o.namespace, "namespace", "n", o.namespace, "only pods of this Kubernetes namespace")
	flags.StringVar(&o.pod, "pod", o.pod, "only pods of this name")
	flags.StringVar(&o.save, "save", o.save, "also write the snapshot, whole and unfiltered, to this file")
	flags.StringVar(&o.from, "from", o.from, "judge the snapshot in this file instead of scanning this machine (- for standard input)")
	for name, words := range o.choices() {
		// It fails for unknown flags only.
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
}

// withAliases gives flags the names that they had before.
func withAliases(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if name == "node" {
		name = "node-name"
	}
	return pflag.NormalizedName(name)
}

// validate reports all errors together. Changed reports whether a flag was set, and given
// whether that was on the command line.
func (o *scanOptions) validate(changed, given func(flag string) bool) error {
	errs := []error{o.nodeFlags.validate(changed)}
	for _, choice := range []struct{ flag, value string }{
		{"output", o.output}, {"fail-on", o.failOn}, {"color", o.color},
	} {
		if words := o.choices()[choice.flag]; !slices.Contains(words, choice.value) {
			errs = append(errs, fmt.Errorf("--%s %q: want one of %s", choice.flag, choice.value, strings.Join(words, ", ")))
		}
	}
	errs = append(errs, onlyOneStdin(o.from, o.policy))
	if o.save == "-" {
		errs = append(errs, errors.New("--save -: want the name of a file; -o json prints the result"))
	}
	if o.from != "" {
		for _, flag := range []string{"procfs", "host-pid", "containerd-address", "node-name", "timeout", "save"} {
			if given(flag) {
				errs = append(errs, fmt.Errorf("--%s is about scanning this machine, which --from does not do", flag))
			}
		}
	}
	return errors.Join(errs...)
}

// depth is how much of the security context a scan reads: all of it where a check needs it, or what
// is to be shown or kept has it.
func (o *scanOptions) depth() scan.Depth {
	selection, _ := o.selection() // It was validated.
	if selection.NeedsSecurity() || o.level || o.output == "wide" || o.save != "" {
		return scan.Full
	}
	return scan.Namespaces
}

// colored decides about colours for a writer.
func (o *scanOptions) colored(w io.Writer) bool {
	switch o.color {
	case "always":
		return true
	case "never":
		return false
	}
	file, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(file.Fd()))
}
