// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nsaudit/nsaudit/agent/policy"
)

func newPolicySuggest(std streams) *cobra.Command {
	var from, path string
	cmd := &cobra.Command{
		Use:   "suggest --from SNAPSHOT",
		Short: "Write the rules that would expect what is declared in a snapshot",
		Long: `suggest writes the smallest rules that would expect what pods and runtime specs declare in
a snapshot, as a policy. What nobody declared, or could not be read, is never among it.

Read and edit them before you use them: each rule should be there for a reason that you
know, and its reason say so. Until then, nsaudit policy check names it.

Exit codes: 0 done, 1 the snapshot or the policy could not be read, 2 usage.`,
		Example: `  nsaudit scan --save node-a.json
  nsaudit policy suggest --from node-a.json > policy.yaml
  nsaudit policy suggest --from node-a.json --policy policy.yaml   # what else there is`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from == "" {
				return usageError(errFrom)
			}
			if err := onlyOneStdin(from, path); err != nil {
				return usageError(err)
			}
			return suggestPolicy(cmd.Context(), std, from, path)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "snapshot whose findings the rules are for (- for standard input)")
	cmd.Flags().StringVar(&path, "policy", "", "policy that there is already: only what its rules do not match gets a rule (- for standard input)")
	return cmd
}

func suggestPolicy(ctx context.Context, std streams, from, path string) error {
	rules := policy.Empty()
	if path != "" {
		var err error
		if rules, err = readPolicy(path, std.in); err != nil {
			return &exitError{exitFailed, err}
		}
	}
	result, err := judgeFile(ctx, from, std.in)
	if err != nil {
		return &exitError{exitFailed, err}
	}
	suggestion, err := rules.Suggest(result)
	if err != nil {
		return &exitError{exitFailed, err}
	}
	if _, err := std.out.Write(suggestion.Text); err != nil {
		return &exitError{exitFailed, fmt.Errorf("print rules: %w", err)}
	}
	return nil
}
