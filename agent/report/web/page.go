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
	maxUnknown = 20
	maxCell    = 256
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
	Scan     *v1alpha1.Scan
	Rows     []row
	MoreRows int
	// Undeclared counts the findings that nobody is known to have declared.
	Undeclared  int
	Unknown     []v1alpha1.Unknown
	MoreUnknown int
	// NoVerdict says that the host's namespaces could not be read.
	NoVerdict bool
}

// row is a finding in a table.
type row struct {
	Pod, Container, Check, DeclaredBy, Reason, Evidence string

	Undeclared bool
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
	v := view{Scan: scan, NoVerdict: scan.Host.PID == 0}
	for i, finding := range result.Ranked() {
		if finding.Undeclared() {
			v.Undeclared++
		}
		if i < maxRows {
			v.Rows = append(v.Rows, rowOf(finding))
		}
	}
	v.MoreRows = len(scan.Findings) - len(v.Rows)
	v.Unknown = scan.Coverage.Unknown[:min(len(scan.Coverage.Unknown), maxUnknown)]
	for i := range v.Unknown {
		v.Unknown[i].Container, v.Unknown[i].Reason = cell(v.Unknown[i].Container), cell(v.Unknown[i].Reason)
	}
	v.MoreUnknown = len(scan.Coverage.Unknown) - len(v.Unknown)
	return v
}

func rowOf(finding *audit.Finding) row {
	document := convert.Finding(finding, report.Clean)
	subject := report.Subject{Pod: document.Pod, Container: document.Container}
	return row{
		Pod:        cell(subject.PodName()),
		Container:  cell(subject.Name()),
		Check:      string(document.Check),
		DeclaredBy: string(document.DeclaredBy),
		Reason:     document.Reason,
		Evidence:   cell(report.Evidence(&document.Evidence, limits())),
		Undeclared: finding.Undeclared(),
	}
}

// cell keeps the beginning of a long text.
func cell(text string) string { return report.Short(text, maxCell) }
