// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"bytes"
	"fmt"
	"strconv"
)

// procStatus is what is used of /proc/PID/status.
type procStatus struct {
	Credentials

	// state is that of proc_pid_stat(5), and threads how many the process has.
	state   byte
	threads int
}

// dead reports whether the thread is a zombie or dead. What it shows are its last credentials.
func (s *procStatus) dead() bool { return isDead(s.state) }

// statusField decodes the value of a line of /proc/PID/status.
type statusField struct {
	name string
	// known is what is known once it was read; 0 for what every kernel shows.
	known Fields
	parse func(s *procStatus, value []byte) bool
}

// statusFields are the lines that are used, in the order in which the kernel writes them
// (fs/proc/array.c, proc_pid_status).
var statusFields = [...]statusField{
	{"State", 0, parseState},
	{"Uid", 0, func(s *procStatus, v []byte) bool { return parseIDs(v, &s.UIDs) }},
	{"Gid", 0, func(s *procStatus, v []byte) bool { return parseIDs(v, &s.GIDs) }},
	{"Groups", 0, func(s *procStatus, v []byte) bool { return parseGroups(v, &s.Groups) }},
	{"Threads", 0, parseThreads},
	{"CapInh", 0, func(s *procStatus, v []byte) bool { return parseCapabilities(v, &s.Inheritable) }},
	{"CapPrm", 0, func(s *procStatus, v []byte) bool { return parseCapabilities(v, &s.Permitted) }},
	{"CapEff", 0, func(s *procStatus, v []byte) bool { return parseCapabilities(v, &s.Effective) }},
	{"CapBnd", 0, func(s *procStatus, v []byte) bool { return parseCapabilities(v, &s.Bounding) }},
	{"CapAmb", FieldAmbient, func(s *procStatus, v []byte) bool { return parseCapabilities(v, &s.Ambient) }},
	{"NoNewPrivs", FieldNoNewPrivileges, parseNoNewPrivileges},
	{"Seccomp", FieldSeccomp, parseSeccomp},
	{"Seccomp_filters", FieldFilters, parseFilters},
}

// parseStatus decodes the text of /proc/PID/status. Its first line has the command, in which
// the kernel escapes line breaks, so that a line is always the kernel's own. A line without a
// line break at its end was cut off, and counts for nothing. What was in the status before is
// overwritten; its groups are then in the same memory.
func parseStatus(text []byte, status *procStatus) error {
	*status = procStatus{Credentials: Credentials{Groups: status.Groups[:0]}}
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
			return fmt.Errorf("no line %s: %w", missing, ErrMalformed)
		}
		field := &statusFields[at]
		if !field.parse(status, value) {
			return fmt.Errorf("line %s: %w", field.name, ErrMalformed)
		}
		status.Known |= field.known
		next = at + 1
	}
	if missing := missingBetween(next, len(statusFields)); missing != "" {
		return fmt.Errorf("no line %s: %w", missing, ErrMalformed)
	}
	return nil
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

// parseState decodes "S (sleeping)".
func parseState(s *procStatus, value []byte) bool {
	value = bytes.TrimLeft(value, "\t ")
	if len(value) == 0 {
		return false
	}
	s.state = value[0]
	return true
}

func parseThreads(s *procStatus, value []byte) bool {
	threads, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 31)
	s.threads = int(threads) //nolint:gosec // It was parsed with 31 bits.
	return err == nil
}

// parseIDs decodes four ids, each behind a tab.
func parseIDs(value []byte, ids *IDs) bool {
	for _, id := range []*uint32{&ids.Real, &ids.Effective, &ids.Saved, &ids.Filesystem} {
		rest, ok := bytes.CutPrefix(value, []byte("\t"))
		field, _, _ := bytes.Cut(rest, []byte("\t"))
		n, err := strconv.ParseUint(string(field), 10, 32)
		if !ok || err != nil {
			return false
		}
		*id, value = uint32(n), rest[len(field):]
	}
	return len(value) == 0
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

func parseNoNewPrivileges(s *procStatus, value []byte) bool {
	text := string(bytes.TrimSpace(value))
	s.NoNewPrivileges = text == "1"
	return text == "0" || text == "1"
}

func parseSeccomp(s *procStatus, value []byte) bool {
	mode, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 8)
	s.Seccomp = SeccompMode(mode)
	return err == nil && s.Seccomp <= SeccompFilter
}

func parseFilters(s *procStatus, value []byte) bool {
	filters, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 31)
	s.Filters = int(filters) //nolint:gosec // It was parsed with 31 bits.
	return err == nil
}
