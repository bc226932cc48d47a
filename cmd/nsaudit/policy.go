// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/policy"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// stdio stands for the standard input, or output, in place of a file.
const stdio = "-"

func newPolicy(std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Check, test and suggest policies: which findings are expected",
		Long: `policy has the commands for a policy: a YAML file with rules that say which findings are
expected, and why. scan and agent use it with --policy. docs/policy.md describes it.

Exit codes: 0 done, 1 a file could not be read or is no policy, 2 usage, 3 problems of the
policy (check), or findings that warn (test).`,
		Example: `  nsaudit scan --save node-a.json                        # a node to try a policy on
  nsaudit policy suggest --from node-a.json > policy.yaml
  nsaudit policy check policy.yaml --from node-a.json
  nsaudit policy test policy.yaml --from node-a.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPolicyCheck(std), newPolicyTest(std), newPolicySuggest(std))
	return cmd
}

// readPolicy reads a policy from a file, or from standard input.
func readPolicy(path string, in io.Reader) (*policy.Policy, error) {
	if path != stdio {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read policy: %w", err)
		}
		defer func() { _ = file.Close() }() // It was only read.
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, policy.MaxText+1))
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	rules, err := policy.Parse(text)
	if err != nil {
		return nil, policyError(path, err)
	}
	return rules, nil
}

// policyError names the file with each thing that is wrong in it, on a line of its own.
func policyError(path string, err error) error {
	var wrong *policy.Error
	if !errors.As(err, &wrong) {
		return fmt.Errorf("read policy: %s: %w", path, err)
	}
	var all []error
	for _, problem := range wrong.Problems {
		all = append(all, fmt.Errorf("%s: %s", path, problem))
	}
	return errors.Join(all...)
}

// judgeFile judges a saved snapshot. Without a host reference there is no verdict.
func judgeFile(ctx context.Context, path string, in io.Reader) (*audit.Result, error) {
	snap, err := load(ctx, path, in)
	if err != nil {
		return nil, err
	}
	if snap.Host.Reference == nsinspect.ByNone {
		return nil, fmt.Errorf("%s: it has no host reference, so no verdict", path)
	}
	return audit.Judge(snap), nil
}

// errFrom is for a command that needs a snapshot.
var errFrom = errors.New("--from is missing: name a snapshot, which nsaudit scan --save FILE writes")

// onlyOneStdin reports an error if two files are to be read from standard input.
func onlyOneStdin(paths ...string) error {
	n := 0
	for _, path := range paths {
		if path == stdio {
			n++
		}
	}
	if n > 1 {
		return errors.New("only one file can be read from standard input (-)")
	}
	return nil
}
