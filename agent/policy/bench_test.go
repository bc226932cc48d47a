// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// BenchmarkApply rules 200 findings of 100 pods by 10,000 rules, of which each pod's own is the
// last in its namespace: the rules for the namespaces of a fleet, those of one namespace, and
// rules that are found by labels in any namespace.
func BenchmarkApply(b *testing.B) {
	const pods, rules = 100, maxRules
	var containers []snapshot.Container
	for i := range pods {
		labels := map[string]string{"app": fmt.Sprintf("app-%d", i)}
		c := container(fmt.Sprintf("namespace-%d", i), fmt.Sprintf("pod-%d", i), "main", labels, nsinspect.Net)
		containers = append(containers, listening(c, socket.TCP, 8080))
	}
	result := judged(containers...)
	if len(result.Findings) != 2*pods {
		b.Fatalf("%d findings", len(result.Findings))
	}
	for name, rule := range map[string]string{
		"namespaces": "- {name: r%[1]d, reason: r, namespaces: [namespace-%[1]d], podSelector: {matchLabels: {app: app-%[1]d}}}\n",
		"patterns":   "- {name: r%[1]d, reason: r, namespaces: [\"namespace-%[1]d*\"], pods: [\"pod-%[1]d\"]}\n",
		"labels":     "- {name: r%[1]d, reason: r, podSelector: {matchLabels: {app: app-%[1]d}}}\n",
	} {
		var text strings.Builder
		for i := range rules {
			fmt.Fprintf(&text, rule, rules-1-i)
		}
		p := parse(b, text.String())
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if ruled := p.Apply(result); !ruled.Findings[0].Expected() || !ruled.Findings[2*pods-1].Expected() {
					b.Fatal("not expected")
				}
			}
		})
		b.Run(name+"/parse", func(b *testing.B) {
			for b.Loop() {
				parse(b, text.String())
			}
		})
	}
}
