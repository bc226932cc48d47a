// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"slices"

	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// SecurityEvidence is the evidence of a check of the security context.
type SecurityEvidence struct {
	// Processes are the first of the processes that it is about, and MoreProcesses counts the
	// rest. There are none where it is about the container as a whole.
	Processes     []ProcessEvidence
	MoreProcesses int
	// Actual is what is there, and Declared what was asked for, each a few words: "uid 0",
	// "SYS_ADMIN (dangerous)", "/etc (sensitive, writable)". Some are chosen by containers: escape
	// them before they are shown. MoreActual and MoreDeclared count those beyond the cap.
	Actual, Declared         []string
	MoreActual, MoreDeclared int
}

// Key is empty: other processes do not make it another finding.
func (e *SecurityEvidence) Key() string { return "" }

const (
	// maxWords caps what a list of the evidence names, and maxWord the bytes of each: a path may
	// have 4,096.
	maxWords = 8
	maxWord  = 256
)

// actual sets what is there.
func (e *SecurityEvidence) actual(words ...string) { e.Actual, e.MoreActual = capped(words) }

// declared sets what was asked for.
func (e *SecurityEvidence) declared(words ...string) { e.Declared, e.MoreDeclared = capped(words) }

// capped returns the first words, cut, and the number of the rest.
func capped(words []string) (named []string, more int) {
	for _, word := range words[:min(len(words), maxWords)] {
		if len(word) > maxWord {
			word = word[:maxWord] + "…"
		}
		named = append(named, word)
	}
	return named, len(words) - len(named)
}

// distinct sorts words, and leaves out those that are there twice.
func distinct(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}

// found reports whether there are processes.
func (e *SecurityEvidence) found() bool { return len(e.Processes) > 0 }

// ifFound returns the verdict on threads, if there are any.
func ifFound(evidence *SecurityEvidence, verdict func(*SecurityEvidence) contextVerdict) []contextVerdict {
	if !evidence.found() {
		return nil
	}
	return []contextVerdict{verdict(evidence)}
}

// evidence collects the threads that have credentials that fit.
func (s *subject) evidence(fits func(*snapshot.Process, *snapshot.CredentialGroup, *snapshot.Credentials) bool) *SecurityEvidence {
	evidence := new(SecurityEvidence)
	for i := range s.Processes {
		process := &s.Processes[i]
		found := ProcessEvidence{PID: process.PID, Command: process.Command, Left: process.Left}
		for k := range process.Credentials {
			group := &process.Credentials[k]
			if fits(process, group, &s.Credentials[group.Set]) {
				found.Threads += group.Threads
				found.TIDs = append(found.TIDs, group.TIDs...)
			}
		}
		if found.Threads > 0 {
			found.TIDs = found.TIDs[:min(len(found.TIDs), maxEvidence)]
			evidence.add(found)
		}
	}
	return evidence
}

func (e *SecurityEvidence) add(process ProcessEvidence) {
	if len(e.Processes) == maxEvidence {
		e.MoreProcesses++
		return
	}
	e.Processes = append(e.Processes, process)
}
