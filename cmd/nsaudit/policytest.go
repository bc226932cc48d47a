// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1/convert"
)

func newPolicyTest(std streams) *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use:   "test FILE --from SNAPSHOT",
		Short: "Show what a policy says of each finding of a snapshot",
		Long: `test lists the findings of a snapshot with the rule of the policy (- for standard input)
that each one matches: what is expected, what is listed, and what warns. Expiry dates are
compared with the time of the snapshot.

Exit codes: 0 nothing warns, 1 the policy or the snapshot could not be read, 2 usage,
3 findings that warn.`,
		Example: `  nsaudit scan --save node-a.json
  nsaudit policy test policy.yaml --from node-a.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if from == "" {
				return usageError(errFrom)
			}
			if err := onlyOneStdin(args[0], from); err != nil {
				return usageError(err)
			}
			return testPolicy(cmd.Context(), std, args[0], from)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "snapshot whose findings are shown (- for standard input)")
	return cmd
}

func testPolicy(ctx context.Context, std streams, path, from string) error {
	rules, err := readPolicy(path, std.in)
	if err != nil {
		return &exitError{exitFailed, err}
	}
	result, err := judgeFile(ctx, from, std.in)
	if err != nil {
		return &exitError{exitFailed, err}
	}
	result = rules.Apply(result)
	if _, err := std.out.Write(rulings(result)); err != nil {
		return &exitError{exitFailed, fmt.Errorf("print findings: %w", err)}
	}
	for i := range result.Findings {
		if result.Findings[i].Warns() {
			return &exitError{code: exitFindings}
		}
	}
	return nil
}

// rulings renders the findings with their rules as a table, and counts them.
func rulings(result *audit.Result) []byte {
	var b bytes.Buffer
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(cells ...string) {
		// A buffer takes everything.
		_, _ = fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	expected, warn := 0, 0
	for i := range result.Findings {
		finding := &result.Findings[i]
		if i == 0 {
			row("RESULT", "RULE", "SEVERITY", "POD", "CONTAINER", "FINDING", "DECLARED BY", "EVIDENCE")
		}
		document := convert.Finding(finding, report.Clean)
		subject := report.Subject{Pod: document.Pod, Container: document.Container}
		rule := "-"
		if finding.Ruling != nil {
			rule = finding.Ruling.Rule
		}
		says := "listed"
		switch {
		case finding.Expected():
			says = "expected"
			expected++
		case finding.Warns():
			says = "warns"
			warn++
		}
		row(says, rule, string(finding.Severity), subject.PodName(), subject.Name(), finding.Reason(), string(finding.DeclaredBy),
			report.Evidence(&document.Evidence, report.Limits{Processes: 1, Ports: 4}))
	}
	_ = table.Flush()
	if len(result.Findings) > 0 {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%s: %d expected, %d listed, %d warn. %d unknown, which no rule matches.\n",
		report.Count(len(result.Findings), "finding"), expected, len(result.Findings)-expected-warn, warn, len(result.Unknown))
	return b.Bytes()
}
