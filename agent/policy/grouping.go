// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// grouping makes rules of findings.
type grouping struct {
	// ports are the ports of each; nil for all.
	ports map[matter]map[string]portRange
	left  int
}

// matter is what a rule is about, in one word for each part.
type matter struct {
	workload  workload
	by        inventory.Declarer
	container string
	check     audit.Check
	verdict   audit.Verdict
}

// newGrouping gathers the findings that are declared and that no rule matches.
func newGrouping(result *audit.Result) *grouping {
	g := &grouping{ports: make(map[matter]map[string]portRange)}
	for i := range result.Findings {
		finding := &result.Findings[i]
		if !finding.DeclaredBy.Declared() || finding.Ruling != nil {
			continue
		}
		workload, container, ok := workloadOf(finding.Container)
		if !ok {
			g.left++
			continue
		}
		g.add(matter{workload, finding.DeclaredBy, container, finding.Check, finding.Verdict}, finding)
	}
	return g
}

// add adds the ports of a finding to those of its matter. Where it has more than it names, only
// a rule for all ports covers it.
func (g *grouping) add(about matter, finding *audit.Finding) {
	ports, known := g.ports[about]
	evidence, ok := finding.Evidence.(*audit.HostPortEvidence)
	switch {
	case !ok, evidence.MorePorts > 0, known && ports == nil:
		g.ports[about] = nil
		return
	case !known:
		ports = make(map[string]portRange)
		g.ports[about] = ports
	}
	for i := range evidence.Ports {
		port := suggestedPort(&evidence.Ports[i])
		ports[port.String()] = port
	}
}

// suggestedPort returns the ports that a rule names for one. The next port of a UDP client is
// any of those that the kernel gives to clients.
func suggestedPort(port *audit.PortEvidence) portRange {
	is := rangeOf(port)
	if port.Protocol == socket.UDP && port.Way == audit.WaySocket && port.HostPort >= socket.FirstEphemeralPort {
		is.first, is.last = socket.FirstEphemeralPort, 1<<16-1
	}
	return is
}

// draft is a rule in which words that go together are joined; the lists are joined by commas.
type draft struct {
	workload                            workload
	by                                  inventory.Declarer
	containers, checks, verdicts, ports string
}

// comma joins the words of a draft: no name that a rule can have holds it and a space.
const comma = ", "

// rules joins what differs in one part only: then the rule matches nothing but that.
func (g *grouping) rules(taken map[string]bool) []suggestedRule {
	drafts := make(map[draft]bool)
	for about, ports := range g.ports {
		drafts[draft{about.workload, about.by, about.container, string(about.check), string(about.verdict), portList(ports)}] = true
	}
	drafts = joined(drafts, func(d *draft) *string { return &d.containers })
	drafts = joined(drafts, func(d *draft) *string { return &d.checks })
	// What is not as declared stays apart, to be read by itself.
	quiet, loud := make(map[draft]bool), make(map[draft]bool)
	for d := range drafts {
		if d.verdicts == string(audit.NotInEffect) || d.verdicts == string(audit.Shadows) || d.verdicts == string(audit.Hijacks) {
			loud[d] = true
		} else {
			quiet[d] = true
		}
	}
	drafts = joined(quiet, func(d *draft) *string { return &d.verdicts })
	maps.Copy(drafts, loud)
	var rules []suggestedRule
	for _, d := range slices.SortedFunc(maps.Keys(drafts), compareDrafts) {
		rules = append(rules, d.rule(taken))
	}
	return rules
}

// joined joins the drafts that differ in one part only.
func joined(drafts map[draft]bool, part func(*draft) *string) map[draft]bool {
	words := make(map[draft][]string)
	for d := range drafts {
		word := *part(&d)
		*part(&d) = ""
		words[d] = append(words[d], word)
	}
	all := make(map[draft]bool)
	for d, list := range words {
		slices.Sort(list)
		if list[0] == "" { // All of them.
			list = nil
		}
		*part(&d) = strings.Join(list, comma)
		all[d] = true
	}
	return all
}

func portList(ports map[string]portRange) string {
	sorted := slices.SortedFunc(maps.Values(ports), func(a, b portRange) int {
		return cmp.Or(cmp.Compare(a.protocol, b.protocol), cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last))
	})
	var texts []string
	for _, port := range sorted {
		texts = append(texts, port.String())
	}
	return strings.Join(texts, comma)
}

func compareDrafts(a, b draft) int {
	return cmp.Or(
		-cmp.Compare(a.by, b.by), // Containers outside pods first: they have no namespace.
		cmp.Compare(a.workload.namespace, b.workload.namespace), cmp.Compare(a.workload.String(), b.workload.String()),
		cmp.Compare(a.checks, b.checks), cmp.Compare(a.verdicts, b.verdicts),
		cmp.Compare(a.containers, b.containers), cmp.Compare(a.ports, b.ports),
		cmp.Compare(a.workload.app, b.workload.app), cmp.Compare(a.workload.image, b.workload.image),
	)
}

// rule writes the draft out.
func (d *draft) rule(taken map[string]bool) suggestedRule {
	about, reason := d.workload.String(), unedited+": say why this is expected."
	switch d.verdicts {
	case string(audit.NotInEffect):
		about += "-not-in-effect"
		reason = unedited + ": it is declared and not so: correct that, or say why it is expected."
	case string(audit.Shadows):
		about += "-shadows"
		reason = unedited + ": it takes the traffic of another listener: correct that, or say why it is expected."
	case string(audit.Hijacks):
		about += "-hijacks"
		reason = unedited + ": it receives what another container declares: correct that, or say why it is expected."
	case string(audit.Shared):
	default:
		about += "-ports"
	}
	return suggestedRule{
		Name: unusedName(about, taken), Reason: reason,
		Checks: words(d.checks), Verdicts: words(d.verdicts), DeclaredBy: words(string(d.by)),
		Namespaces: words(d.workload.namespace), Pods: words(d.workload.pod), PodSelector: d.workload.labels(),
		Containers: words(d.containers), Images: words(d.workload.image), Ports: words(d.ports),
	}
}

// words splits what comma joins.
func words(joined string) []string {
	if joined == "" {
		return nil
	}
	return strings.Split(joined, comma)
}
