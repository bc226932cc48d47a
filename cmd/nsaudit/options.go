package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nsaudit/nsaudit/agent/inventory/containerd"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// Values of --fail-on.
const (
	failNever      = "never"
	failUndeclared = "undeclared"
	failAny        = "any"
)

// scanOptions are the flags of scan.
type scanOptions struct {
	output, failOn, color string
	noHeaders             bool
	namespace, pod        string
	save, from            string
	procfs                string
	hostPID               int
	address               string
	node                  string
	timeout               time.Duration
}

func defaultScanOptions() *scanOptions {
	return &scanOptions{
		output:  "table",
		failOn:  failNever,
		color:   "auto",
		procfs:  nsinspect.DefaultRoot,
		timeout: time.Minute,
	}
}

// choices are the flags that take one of a few words.
func (o *scanOptions) choices() map[string][]string {
	return map[string][]string{
		"output":  {"table", "wide", "json", "yaml"},
		"fail-on": {failUndeclared, failAny, failNever},
		"color":   {"auto", "always", "never"},
	}
}

func (o *scanOptions) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&o.output, "output", "o", o.output, "format: table, wide, json or yaml")
	flags.StringVar(&o.failOn, "fail-on", o.failOn, "exit with code 3 on findings: undeclared (not known to be asked for), any or never")
	flags.StringVar(&o.color, "color", o.color, "colours: auto (on a terminal, unless NO_COLOR is set), always or never")
	flags.BoolVar(&o.noHeaders, "no-headers", o.noHeaders, "leave out the table's headings")
	flags.StringVarP(&o.namespace, "namespace", "n", o.namespace, "only pods of this Kubernetes namespace")
	flags.StringVar(&o.pod, "pod", o.pod, "only pods of this name")
	flags.StringVar(&o.save, "save", o.save, "also write the snapshot, whole and unfiltered, to this file")
	flags.StringVar(&o.from, "from", o.from, "judge the snapshot of this file instead of looking at this machine (- for standard input)")
	flags.StringVar(&o.procfs, "procfs", o.procfs, "where the host's procfs is mounted")
	flags.IntVar(&o.hostPID, "host-pid", o.hostPID, "process whose namespaces stand for the host's (default pid 1, else containerd, else the kernel's kthreadd)")
	flags.StringVar(&o.address, "containerd-address", o.address, "containerd's socket (default the first that is there of the usual ones: containerd, k3s, RKE2, MicroK8s, k0s, Docker)")
	flags.StringVar(&o.node, "node", o.node, "name of the machine in the result (default its host name)")
	flags.DurationVar(&o.timeout, "timeout", o.timeout, "give up after this time, and show what was found until then")
	for name, words := range o.choices() {
		// It fails for unknown flags only.
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
}

// validate reports all errors together.
func (o *scanOptions) validate(changed func(flag string) bool) error {
	var errs []error
	for _, choice := range []struct{ flag, value string }{
		{"output", o.output}, {"fail-on", o.failOn}, {"color", o.color},
	} {
		if words := o.choices()[choice.flag]; !slices.Contains(words, choice.value) {
			errs = append(errs, fmt.Errorf("--%s %q: want one of %s", choice.flag, choice.value, strings.Join(words, ", ")))
		}
	}
	if changed("host-pid") && o.hostPID <= 0 {
		errs = append(errs, fmt.Errorf("--host-pid %d: want the positive id of a process", o.hostPID))
	}
	if o.timeout <= 0 {
		errs = append(errs, fmt.Errorf("--timeout %s: want a positive time", o.timeout))
	}
	if o.address != "" {
		if _, err := containerd.ParseAddress(o.address); err != nil {
			errs = append(errs, err)
		}
	}
	if o.save == "-" {
		errs = append(errs, errors.New("--save -: want the name of a file; -o json prints the result"))
	}
	if o.from != "" {
		for _, flag := range []string{"procfs", "host-pid", "containerd-address", "node", "timeout", "save"} {
			if changed(flag) {
				errs = append(errs, fmt.Errorf("--%s is about looking at this machine, which --from does not do", flag))
			}
		}
	}
	return errors.Join(errs...)
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
