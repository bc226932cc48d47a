// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	_ "embed" // The page and its style are files.
	"html/template"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1/convert"
)

// Caps of the page. The metrics and "nsaudit scan -o json" have the rest.
const (
	maxRows    = 500
	maxRules   = 100
	maxUnknown = 20
	maxCell    = 256
	// maxTitle has room for the name and the reason of a rule.
	maxTitle = 512
)

// limits are how many processes or ports a cell names.
func limits() report.Limits { return report.Limits{Processes: 2, Ports: 2} }

//go:embed page.html
var pageText string

//go:embed style.css
var styleText []byte

// view is what the template shows. Its texts are cleaned; the template escapes them.
type view struct {
	// Scan is nil before the first scan.
	Scan *v1alpha1.Scan
	// Counts says how many findings there are, and Nothing why none is listed.
	Counts, Nothing string
	// Findings are those that the policy does not expect, and Expected the rest, by rule.
	Findings  list
	Expected  []list
	MoreRules int
	// PostureText counts the findings about the posture, and Posture lists them.
	PostureText string
	Posture     list
	Unknown     []v1alpha1.Unknown
	MoreUnknown int
	// NoVerdict says that the host's namespaces could not be read.
	NoVerdict bool
}

// list is a table of findings.
type list struct {
	// Title is that of what a rule expects.
	Title string
	Rows  []row
	More  int
}

// row is a finding in a table.
type row struct {
	Pod, Container, Check, Severity, DeclaredBy, Reason, Evidence string

	Warns bool
}

// add adds a finding where there is room for its row, and counts it otherwise.
func (l *list) add(finding *v1alpha1.Finding, room *int) {
	if *room == 0 {
		l.More++
		return
	}
	*room--
	l.Rows = append(l.Rows, rowOf(finding))
}

// Page is the page for people. It is made of each result that is published to it when it is
// first asked for, so that requests cost next to nothing.
type Page struct {
	template *template.Template
	latest   atomic.Pointer[func() ([]byte, error)]
}

// NewPage returns a page that says that nothing is known yet.
func NewPage() *Page {
	// The template is part of the program, so that a mistake in it shows in every test.
	p := &Page{template: template.Must(template.New("page").Parse(pageText))}
	p.Publish(nil)
	return p
}

// Publish makes a result the one that the page shows; nil stands for none yet.
func (p *Page) Publish(result *audit.Result) {
	render := sync.OnceValues(func() ([]byte, error) {
		var body bytes.Buffer
		err := p.template.Execute(&body, newView(result))
		return body.Bytes(), err
	})
	p.latest.Store(&render)
}

// ServeHTTP answers with the page.
func (p *Page) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	body, err := (*p.latest.Load())()
	if err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	send(w, http.StatusOK, "text/html; charset=utf-8", body)
}

// style serves the page's style: from here, so that the page needs no other place and
// nothing inline.
func style() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		send(w, http.StatusOK, "text/css; charset=utf-8", styleText)
	})
}

func newView(result *audit.Result) view {
	if result == nil {
		return view{}
	}
	scan := convert.FromResult(result, convert.Filter{})
	v := view{Scan: scan, Counts: report.Counts(&scan.Summary), Nothing: report.Nothing(scan), NoVerdict: scan.Host.PID == 0}
	room := maxRows
	for _, finding := range result.Ranked() {
		if !finding.Expected() {
			document := convert.Finding(finding, report.Clean)
			v.Findings.add(&document, &room)
		}
	}
	v.Expected = expectedLists(scan, &room)
	v.PostureText = report.Posture(scan.Posture)
	for i := range scan.Posture {
		if scan.Posture[i].Expected == nil {
			v.Posture.add(&scan.Posture[i], &room)
		}
	}
	v.MoreRules = len(report.ByRule(scan.Findings)) - len(v.Expected)
	v.Unknown = scan.Coverage.Unknown[:min(len(scan.Coverage.Unknown), maxUnknown)]
	for i := range v.Unknown {
		v.Unknown[i].Container, v.Unknown[i].Reason = cell(v.Unknown[i].Container), cell(v.Unknown[i].Reason)
	}
	v.MoreUnknown = len(scan.Coverage.Unknown) - len(v.Unknown)
	return v
}

// expectedLists returns what the policy expects: a list for each of the first rules.
func expectedLists(scan *v1alpha1.Scan, room *int) []list {
	rules := report.ByRule(scan.Findings)
	lists := make([]list, min(len(rules), maxRules))
	at := make(map[string]*list, len(lists))
	for i := range lists {
		lists[i].Title = report.Short(rules[i].String(), maxTitle)
		at[rules[i].Rule] = &lists[i]
	}
	for i := range scan.Findings {
		finding := &scan.Findings[i]
		if finding.Expected == nil {
			continue
		}
		if list := at[finding.Expected.Rule]; list != nil {
			list.add(finding, room)
		}
	}
	return lists
}

func rowOf(finding *v1alpha1.Finding) row {
	subject := report.Subject{Pod: finding.Pod, Container: finding.Container}
	return row{
		Pod:        cell(subject.PodName()),
		Container:  cell(subject.Name()),
		Check:      string(finding.Check),
		Severity:   string(finding.Severity),
		DeclaredBy: string(finding.DeclaredBy),
		Reason:     finding.Reason,
		Evidence:   cell(report.Evidence(&finding.Evidence, limits())),
		Warns:      finding.Warns(),
	}
}

// cell keeps the beginning of a long text.
func cell(text string) string { return report.Short(text, maxCell) }
