// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/nsaudit/nsaudit/agent/audit"
)

// rulePorts returns the place of the rule of each port: the first that matches it.
//
// Of the ports that a finding counts and does not name, a rule with ports can't say whether it
// matches them. From such a rule on they are unruled, and so that there is a port to name with
// them, the last one is too.
func (p *Policy) rulePorts(finding *audit.Finding, evidence *audit.HostPortEvidence, result *audit.Result) []int {
	places := slices.Repeat([]int{unruled}, len(evidence.Ports))
	open := len(places)
	if evidence.MorePorts > 0 {
		open--
	}
	s := newSubject(finding, result.Snapshot)
	first := true
	for place := range p.candidates(s.pod.Namespace) {
		rule := &p.rules[place]
		if !rule.matches(&s) {
			continue
		}
		if first && len(rule.ports) == 0 {
			return slices.Repeat([]int{place}, len(places))
		}
		first = false
		for i := range open {
			if places[i] == unruled && covered(rangeOf(&evidence.Ports[i]), rule.ports) {
				places[i] = place
			}
		}
		if !slices.Contains(places[:open], unruled) {
			break
		}
	}
	return places
}

// split makes a finding of the ports of each rule, those that no rule matches first.
func (p *Policy) split(finding *audit.Finding, evidence *audit.HostPortEvidence, places []int, node string) []part {
	ports := make(map[int][]audit.PortEvidence)
	for i, place := range places {
		ports[place] = append(ports[place], evidence.Ports[i])
	}
	var parts []part
	for _, place := range slices.Sorted(maps.Keys(ports)) {
		split := p.part(finding, place)
		of := &audit.HostPortEvidence{Namespace: evidence.Namespace, Ports: ports[place]}
		if place == unruled {
			of.MorePorts = evidence.MorePorts
		}
		split.finding.Evidence = of
		split.finding.Identify(node)
		if place != unruled && of.Key() == noKey {
			split.finding.ID = derivedID(split.finding.ID, p.rules[place].ruling.Rule)
		}
		parts = append(parts, split)
	}
	return parts
}

// noKey is the key of evidence whose ports make no ID.
const noKey = `""`

// derivedID names a part whose ports make no ID of their own, as those of UDP clients, which
// change all the time, do not.
func derivedID(id, rule string) string {
	hash := sha256.Sum256(fmt.Appendf(nil, "%q %q", id, rule))
	return hex.EncodeToString(hash[:len(id)/2])
}
