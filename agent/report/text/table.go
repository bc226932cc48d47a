package text

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// TableOptions say how a table looks.
type TableOptions struct {
	// Wide adds columns: the reason, the image, the container's id and the controls.
	Wide bool
	// NoHeaders leaves the line of headings out.
	NoHeaders bool
	// Color marks undeclared sharing and what is unknown with ANSI colours.
	Color bool
}

const (
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	reset  = "\x1b[0m"
)

// maxUnknownLines caps the unknown containers that a table lists; JSON has them all.
const maxUnknownLines = 20

// Table writes the findings as a table, then what could not be seen, then a line of summary.
func (s *Scan) Table(w io.Writer, options TableOptions) error {
	var b bytes.Buffer
	if len(s.Findings) > 0 {
		s.rows(&b, options)
	} else {
		b.WriteString(s.nothing())
	}
	s.unknown(&b, options)
	b.WriteString(s.summary())
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func (s *Scan) rows(b *bytes.Buffer, options TableOptions) {
	var cells []string
	if !options.NoHeaders {
		cells = append(cells, strings.Join(headings(options.Wide), "\t"))
	}
	for i := range s.Findings {
		cells = append(cells, strings.Join(s.Findings[i].cells(options.Wide), "\t"))
	}
	lines := align(cells)
	for i, line := range lines {
		finding := i
		if !options.NoHeaders {
			finding--
		}
		if options.Color && finding >= 0 && finding < len(s.Findings) && !s.Findings[finding].DeclaredBy.Declared() {
			line = red + line + reset
		}
		b.WriteString(line + "\n")
	}
	b.WriteByte('\n')
}

// align turns lines of tab-separated cells into columns. Colours come afterwards: their
// codes would count as width.
func align(cells []string) []string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	// A builder takes everything, so neither call can fail.
	_, _ = table.Write([]byte(strings.Join(cells, "\n") + "\n"))
	_ = table.Flush()
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

func headings(wide bool) []string {
	columns := []string{"POD", "CONTAINER", "CHECK", "DECLARED BY"}
	if wide {
		columns = append(columns, "REASON", "IMAGE", "ID", "CONTROLS")
	}
	return append(columns, "EVIDENCE")
}

func (f *Finding) cells(wide bool) []string {
	cells := []string{podCell(f.Pod), containerCell(f.Pod, f.Container), string(f.Check), string(f.DeclaredBy)}
	if wide {
		cells = append(cells, f.Reason, orDash(f.Container.Image), f.Container.ID, strings.Join(f.Controls, ", "))
	}
	return append(cells, f.evidence())
}

// How many processes or ports a cell names.
const (
	maxNamed      = 2
	maxNamedPorts = 4
)

// evidence puts the evidence into one cell.
func (f *Finding) evidence() string {
	var b strings.Builder
	if f.Verdict == audit.NotInEffect {
		b.WriteString("not in effect: ")
	}
	if f.Check == audit.HostPort {
		b.WriteString(report.PortsText(&f.Evidence, maxNamedPorts))
		b.WriteString(f.shadows())
		return b.String()
	}
	b.WriteString(report.ProcessesText(f.Evidence.Processes, f.Evidence.MoreProcesses, maxNamed))
	fmt.Fprintf(&b, " in %s:[%d]", f.Evidence.Kind, f.Evidence.Namespace.Ino)
	if f.Evidence.JoinedPath != "" {
		b.WriteString(", joined by path " + f.Evidence.JoinedPath)
	}
	return b.String()
}

// shadows says what listens in vain, where the finding is about that.
func (f *Finding) shadows() string {
	if f.Verdict != audit.Shadows || len(f.Evidence.Ports) == 0 || len(f.Evidence.Ports[0].Shadows) == 0 {
		return ""
	}
	return ", before " + report.ShadowText(f.Evidence.Ports[0].Shadows[0])
}

// nothing says that there is no finding, in words that fit what was seen.
func (s *Scan) nothing() string {
	switch {
	case s.Host.Reference == nsinspect.ByNone:
		return "No verdict: the host's own namespaces could not be read.\n\n"
	case len(s.Coverage.Unknown) > 0:
		return "No sharing was seen, but not everything could be looked at.\n\n"
	case s.Coverage.Containers == 0 && s.filtered:
		return "No running container belongs to such a pod.\n\n"
	case s.Coverage.Containers == 0:
		return "No containers are running.\n\n"
	}
	return "No container shares the host's network, PID or IPC namespace, or has one of its ports.\n\n"
}

func (s *Scan) unknown(b *bytes.Buffer, options TableOptions) {
	if len(s.Coverage.Unknown) == 0 {
		return
	}
	start, end := "", ""
	if options.Color {
		start, end = yellow, reset
	}
	fmt.Fprintf(b, "%sUnknown, which is not the same as clean:%s\n", start, end)
	for i, u := range s.Coverage.Unknown {
		if i == maxUnknownLines {
			fmt.Fprintf(b, "  … and %d more: see -o json\n", len(s.Coverage.Unknown)-i)
			break
		}
		where := "node"
		if u.Container != "" {
			where = u.Container
		}
		fmt.Fprintf(b, "  %s%s%s: %s\n", start, where, end, u.Reason)
	}
	b.WriteByte('\n')
}

// summary is the last line: how much was found and how much was looked at.
func (s *Scan) summary() string {
	undeclared := 0
	for i := range s.Findings {
		if !s.Findings[i].DeclaredBy.Declared() {
			undeclared++
		}
	}
	took := time.Duration(s.DurationSeconds * float64(time.Second)).Round(time.Millisecond)
	return fmt.Sprintf("%s, %d undeclared, in %s. Looked at %s (%s in containers) in %s; %d unknown. Host: %s. Containers: %s.\n",
		count(len(s.Findings), "finding"), undeclared, count(s.Coverage.Containers, "container"),
		count(s.Coverage.Processes, "process"), count(s.Coverage.Threads, "thread"), took,
		len(s.Coverage.Unknown), s.hostText(), s.inventoryText())
}

func (s *Scan) hostText() string {
	switch s.Host.Reference {
	case nsinspect.ByNone:
		return "none"
	case nsinspect.ByPID1:
		return "pid 1"
	}
	return fmt.Sprintf("pid %d (%s)", s.Host.PID, s.Host.Reference)
}

func (s *Scan) inventoryText() string {
	if s.Inventory.Source == inventory.FromCgroups {
		return "recognised by their cgroups, without containerd"
	}
	return fmt.Sprintf("%s %s at %s", s.Inventory.Source, s.Inventory.Version, s.Inventory.Address)
}

func count(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "s"):
		return fmt.Sprintf("%d %ses", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// label names a container in a sentence.
func label(pod *Pod, ref ContainerRef) string {
	if pod == nil {
		return containerCell(pod, ref)
	}
	return podCell(pod) + " " + containerCell(pod, ref)
}

func podCell(pod *Pod) string {
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
func containerCell(pod *Pod, ref ContainerRef) string {
	id := ref.ID
	if len(id) == fullID {
		id = id[:shortID]
	}
	switch {
	case ref.Sandbox:
		return "(pause)"
	case pod != nil && ref.Name != "":
		return ref.Name
	case pod != nil:
		return id
	case ref.RuntimeNamespace != "" && ref.Name != "":
		return ref.RuntimeNamespace + "/" + ref.Name
	case ref.RuntimeNamespace != "":
		return ref.RuntimeNamespace + "/" + id
	case ref.Runtime != "":
		return ref.Runtime + "/" + id
	}
	return id
}

// Ids of 64 hex digits are shown by their first 12, as runtimes do.
const (
	fullID  = 64
	shortID = 12
)

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
