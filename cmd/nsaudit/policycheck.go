// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/report"
)

func newPolicyCheck(std streams) *cobra.Command {
	var from []string
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Name what is wrong with a policy, and the rules that are better changed",
		Long: `check reads a policy (- for standard input) as scan and agent do. It names each thing that
is wrong, and each rule that is too broad, shadowed by an earlier one, expired, or suggested
and not edited. With snapshots it also names the rules that match nothing in any of them.

Exit codes: 0 nothing to change, 1 the policy or a snapshot could not be read, 2 usage,
3 rules that are better changed.`,
		Example: `  nsaudit policy check policy.yaml
  nsaudit policy check policy.yaml --from node-a.json --from node-b.json
  kubectl -n nsaudit get configmap nsaudit-policy -o jsonpath='{.data.policy\.yaml}' | nsaudit policy check -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := onlyOneStdin(append([]string{args[0]}, from...)...); err != nil {
				return usageError(err)
			}
			return checkPolicy(cmd.Context(), std, args[0], from)
		},
	}
	cmd.Flags().StringArrayVar(&from, "from", nil, "snapshot in which each rule should match something (- for standard input); may be given several times")
	return cmd
}

func checkPolicy(ctx context.Context, std streams, path string, from []string) error {
	rules, err := readPolicy(path, std.in)
	if err != nil {
		return &exitError{exitFailed, err}
	}
	var results []*audit.Result
	for _, file := range from {
		result, err := judgeFile(ctx, file, std.in)
		if err != nil {
			return &exitError{exitFailed, err}
		}
		results = append(results, result)
	}
	now := time.Now()
	problems := rules.Lint(now, results...)
	for _, problem := range problems {
		if _, err := fmt.Fprintf(std.out, "%s:%d: rule %q: %s\n", path, problem.Line, problem.Rule, problem.Text); err != nil {
			return &exitError{exitFailed, fmt.Errorf("print problems: %w", err)}
		}
	}
	if len(problems) > 0 {
		return &exitError{code: exitFindings}
	}
	active, _ := rules.Count(now)
	if _, err := fmt.Fprintf(std.out, "%s: %s, nothing to change.\n", path, report.Count(active, "rule")); err != nil {
		return &exitError{exitFailed, fmt.Errorf("print problems: %w", err)}
	}
	return nil
}
