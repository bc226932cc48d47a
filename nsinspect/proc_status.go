// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// statusField decodes the value of a line of /proc/PID/status.
type statusField struct {
	name string
	// known is what is known once it was read; 0 for what every kernel shows.
	known Fields
	parse func(c *Credentials, value []byte) bool
}

// statusFields are the lines that are used, in the order in which the kernel writes them
// (fs/proc/array.c, proc_pid_status).
var statusFields = [...]statusField{
	{"Uid", 0, func(c *Credentials, v []byte) bool { return parseIDs(v, &c.UIDs) }},
	{"Gid", 0, func(c *Credentials, v []byte) bool { return parseIDs(v, &c.GIDs) }},
	{"Groups", 0, func(c *Credentials, v []byte) bool { return parseGroups(v, &c.Groups) }},
	{"CapInh", 0, func(c *Credentials, v []byte) bool { return parseCapabilities(v, &c.Inheritable) }},
	{"CapPrm", 0, func(c *Credentials, v []byte) bool { return parseCapabilities(v, &c.Permitted) }},
	{"CapEff", 0, func(c *Credentials, v []byte) bool { return parseCapabilities(v, &c.Effective) }},
	{"CapBnd", 0, func(c *Credentials, v []byte) bool { return parseCapabilities(v, &c.Bounding) }},
	{"CapAmb", FieldAmbient, func(c *Credentials, v []byte) bool { return parseCapabilities(v, &c.Ambient) }},
	{"NoNewPrivs", FieldNoNewPrivileges, parseNoNewPrivileges},
	{"Seccomp", FieldSeccomp, parseSeccomp},
	{"Seccomp_filters", FieldFilters, parseFilters},
}

// parseStatus decodes the text of /proc/PID/status. Its first line has the command, in which
// the kernel escapes line breaks, so that a line is always the kernel's own. A line without a
// line break at its end was cut off, and counts for nothing.
func parseStatus(text []byte) (Credentials, error) {
	var c Credentials
	next := 0
	for next < len(statusFields) {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			break
		}
		text = rest
		name, value, _ := bytes.Cut(line, []byte(":"))
		at := statusFieldNamed(name, next)
		if at < 0 {
			continue
		}
		if missing := missingBetween(next, at); missing != "" {
			return Credentials{}, fmt.Errorf("no line %s: %w", missing, ErrMalformed)
		}
		field := &statusFields[at]
		if !field.parse(&c, value) {
			return Credentials{}, fmt.Errorf("line %s: %w", field.name, ErrMalformed)
		}
		c.Known |= field.known
		next = at + 1
	}
	if missing := missingBetween(next, len(statusFields)); missing != "" {
		return Credentials{}, fmt.Errorf("no line %s: %w", missing, ErrMalformed)
	}
	return c, nil
}

// statusFieldNamed returns the place of a field that is not before another, or -1.
func statusFieldNamed(name []byte, from int) int {
	for at := from; at < len(statusFields); at++ {
		if statusFields[at].name == string(name) {
			return at
		}
	}
	return -1
}

// missingBetween returns the first field of those places that every kernel shows, or "".
func missingBetween(from, to int) string {
	for at := from; at < to; at++ {
		if statusFields[at].known == 0 {
			return statusFields[at].name
		}
	}
	return ""
}

// spaced makes the fields of a value those that spaces set apart.
func spaced(value []byte) procfd.Fields {
	return procfd.FieldsOf(bytes.ReplaceAll(value, []byte("\t"), []byte(" ")))
}

func parseIDs(value []byte, ids *IDs) bool {
	fields := spaced(value)
	for _, id := range []*uint32{&ids.Real, &ids.Effective, &ids.Saved, &ids.Filesystem} {
		*id = uint32(fields.Uint(10, 32)) //nolint:gosec // It was parsed with 32 bits.
	}
	return fields.Whole() && len(fields.Next()) == 0
}

// parseGroups decodes the groups, behind the last of which the kernel writes a space.
func parseGroups(value []byte, groups *[]uint32) bool {
	for field := range bytes.FieldsSeq(value) {
		id, err := strconv.ParseUint(string(field), 10, 32)
		if err != nil {
			return false
		}
		*groups = append(*groups, uint32(id))
	}
	return true
}

// capabilityDigits is how many hexadecimal digits the kernel writes a set with.
const capabilityDigits = 16

func parseCapabilities(value []byte, set *Capabilities) bool {
	digits := bytes.TrimSpace(value)
	bits, err := strconv.ParseUint(string(digits), 16, 64)
	*set = Capabilities(bits)
	return err == nil && len(digits) == capabilityDigits
}

func parseNoNewPrivileges(c *Credentials, value []byte) bool {
	text := string(bytes.TrimSpace(value))
	c.NoNewPrivileges = text == "1"
	return text == "0" || text == "1"
}

func parseSeccomp(c *Credentials, value []byte) bool {
	mode, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 8)
	c.Seccomp = SeccompMode(mode)
	return err == nil && c.Seccomp <= SeccompFilter
}

func parseFilters(c *Credentials, value []byte) bool {
	filters, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 31)
	c.Filters = int(filters) //nolint:gosec // It was parsed with 31 bits.
	return err == nil
}
