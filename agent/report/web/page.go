package web

import (
	"bytes"
	"cmp"
	_ "embed" // The page and its style are files.
	"fmt"
	"html/template"
	"net/http"
	"slices"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/text"
)

// Caps of the page. The metrics and "nsaudit scan -o json" have the rest.
const (
	maxRows    = 500
	maxUnknown = 20
	maxNamed   = 2
	maxCell    = 256
)

//go:embed page.html
var pageText string

//go:embed style.css
var styleText []byte

// page is what the template shows. Its texts are cleaned by package text; the template
// escapes them.
type page struct {
	// Scan is nil before the first scan.
	Scan     *text.Scan
	Rows     []row
	MoreRows int
	// Undeclared counts the findings that nobody is known to have asked for.
	Undeclared  int
	Unknown     []text.Unknown
	MoreUnknown int
	// NoVerdict says that the host's namespaces could not be read.
	NoVerdict bool
}

// row is a finding in a table.
type row struct {
	Pod, Container, Check, DeclaredBy, Reason, Evidence string

	Undeclared bool
}

// newLanding serves the page for people.
func newLanding(latest func() *audit.Result) http.Handler {
	// The page is part of the program, so that a mistake in it shows in every test.
	page := template.Must(template.New("page").Parse(pageText))
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var body bytes.Buffer
		if err := page.Execute(&body, newPage(latest())); err != nil {
			http.Error(w, "the page could not be made", http.StatusInternalServerError)
			return
		}
		send(w, http.StatusOK, "text/html; charset=utf-8", body.Bytes())
	})
}

// style serves the page's style: from here, so that the page needs no other place and
// nothing inline.
func style() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		send(w, http.StatusOK, "text/css; charset=utf-8", styleText)
	})
}

func newPage(result *audit.Result) page {
	if result == nil {
		return page{}
	}
	scan := text.NewScan(result, text.Filter{})
	p := page{Scan: scan, NoVerdict: scan.Host.PID == 0}
	slices.SortStableFunc(scan.Findings, undeclaredFirst)
	for i := range scan.Findings {
		finding := &scan.Findings[i]
		if !finding.DeclaredBy.Declared() {
			p.Undeclared++
		}
		if i < maxRows {
			p.Rows = append(p.Rows, rowOf(finding))
		}
	}
	p.MoreRows = len(scan.Findings) - len(p.Rows)
	p.Unknown = scan.Coverage.Unknown[:min(len(scan.Coverage.Unknown), maxUnknown)]
	for i := range p.Unknown {
		p.Unknown[i].Container, p.Unknown[i].Reason = cut(p.Unknown[i].Container), cut(p.Unknown[i].Reason)
	}
	p.MoreUnknown = len(scan.Coverage.Unknown) - len(p.Unknown)
	return p
}

// undeclaredFirst orders findings for people and for the cap.
func undeclaredFirst(a, b text.Finding) int {
	switch {
	case a.DeclaredBy.Declared() == b.DeclaredBy.Declared():
		return 0
	case a.DeclaredBy.Declared():
		return 1
	}
	return -1
}

func rowOf(finding *text.Finding) row {
	return row{
		Pod:        cut(podCell(finding.Pod)),
		Container:  cut(containerCell(finding)),
		Check:      string(finding.Check),
		DeclaredBy: string(finding.DeclaredBy),
		Reason:     finding.Reason,
		Evidence:   evidenceCell(finding),
		Undeclared: !finding.DeclaredBy.Declared(),
	}
}

func podCell(pod *text.Pod) string {
	switch {
	case pod == nil:
		return "-"
	case pod.Name == "":
		return "uid " + pod.UID
	}
	return pod.Namespace + "/" + pod.Name
}

// containerCell names a container of a pod as the pod does, and others by their containerd
// namespace, or else their runtime, and id.
func containerCell(finding *text.Finding) string {
	ref := finding.Container
	switch {
	case ref.Sandbox:
		return "(pause)"
	case finding.Pod != nil:
		return cmp.Or(ref.Name, ref.ID)
	}
	return cmp.Or(ref.RuntimeNamespace, ref.Runtime, "unknown") + "/" + ref.ID
}

// evidenceCell names the processes or the ports.
func evidenceCell(finding *text.Finding) string {
	if finding.Check == audit.HostPort {
		return cut(report.PortsText(&finding.Evidence, maxNamed))
	}
	return cut(report.ProcessesText(finding.Evidence.Processes, finding.Evidence.MoreProcesses, maxNamed))
}

// cut keeps a cell's first characters.
func cut(text string) string { return fmt.Sprintf("%.*s", maxCell, text) }
