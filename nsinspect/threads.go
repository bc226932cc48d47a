// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"context"
	"errors"
)

// maxTIDs is how many thread ids a group names; the rest is counted.
const maxTIDs = 8

// maxGroups caps the groups of one process. A process that makes more namespaces than
// this, one a thread, is reported as truncated and so as not fully seen.
const maxGroups = 1024

// ThreadGroup is the threads of a process that are in the same namespaces.
type ThreadGroup struct {
	Namespaces Namespaces `json:"namespaces"`
	// Threads is the number of threads.
	Threads int `json:"threads"`
	// TIDs names the first of them. It is empty when all threads of the process are in
	// this group.
	TIDs []int `json:"tids,omitempty"`
}

// Survey is where all threads of one process are.
type Survey struct {
	// Groups has one entry for nearly every process.
	Groups []ThreadGroup
	// Threads is the number of threads that were read.
	Threads int
	// Denied is the number of threads that could not be read.
	Denied int
	// Truncated reports that there were more groups than the cap, so that threads are
	// missing from Groups.
	Truncated bool
	// Ended reports that no thread was left to read: a zombie, or a process that died during
	// the look. It is in no namespace.
	Ended bool
}

// Survey reads the namespaces of these kinds of every thread of the process. A leader
// that ended while other threads live on does not hide them. The error is [ErrVanished]
// when the process is gone, or the context's.
func (p *Process) Survey(ctx context.Context, kinds []Kind) (Survey, error) {
	s := surveyor{process: p}
	if err := s.split(kinds); err != nil {
		return Survey{}, err
	}
	single, err := p.singleThreaded()
	if err != nil {
		return Survey{}, err
	}
	if single {
		err = s.thread(p.pid, "")
	} else {
		err = s.threads(ctx)
	}
	if err != nil {
		return Survey{}, err
	}
	survey := s.survey
	if len(survey.Groups) == 1 && !survey.Truncated && survey.Denied == 0 {
		survey.Groups[0].TIDs = nil
	}
	survey.Ended = survey.Threads == 0 && survey.Denied == 0
	return survey, nil
}

// surveyor makes one survey.
type surveyor struct {
	process *Process
	// common are the namespaces that all threads share, read once.
	common Namespaces
	// denied is set where those could not be read, which is then true of every thread.
	denied bool
	// perThread are the kinds to read of each thread.
	perThread [numKinds]Kind
	n         int
	survey    Survey
}

// split reads the kinds that belong to the process and keeps the others for its threads.
// A dead leader still answers for the former.
func (s *surveyor) split(kinds []Kind) error {
	for _, kind := range kinds {
		if kind.PerThread() {
			s.perThread[s.n] = kind
			s.n++
			continue
		}
		id, err := s.process.Namespace(kind)
		switch {
		case errors.Is(err, ErrDenied):
			s.denied = true
		case err != nil:
			return err
		}
		s.common.Set(kind, id)
	}
	return nil
}

func (s *surveyor) threads(ctx context.Context) error {
	tids, err := s.process.Threads(ctx)
	if err != nil {
		return err
	}
	for _, tid := range tids {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.thread(tid, threadDir(tid)); err != nil {
			return err
		}
	}
	return nil
}

// thread adds one thread to the survey.
func (s *surveyor) thread(tid int, dir string) error {
	if s.denied {
		s.survey.Denied++
		return nil
	}
	seen := s.common
	for _, kind := range s.perThread[:s.n] {
		id, err := s.process.namespaceAt(dir, kind)
		switch {
		case errors.Is(err, ErrVanished):
			return nil
		case errors.Is(err, ErrDenied):
			s.survey.Denied++
			return nil
		case err != nil:
			return err
		}
		seen.Set(kind, id)
	}
	s.survey.Threads++
	s.survey.add(seen, tid)
	return nil
}

// add counts the thread into the group of its namespaces.
func (s *Survey) add(seen Namespaces, tid int) {
	for i := range s.Groups {
		group := &s.Groups[i]
		if group.Namespaces != seen {
			continue
		}
		group.Threads++
		if len(group.TIDs) < maxTIDs {
			group.TIDs = append(group.TIDs, tid)
		}
		return
	}
	if len(s.Groups) == maxGroups {
		s.Truncated = true
		return
	}
	s.Groups = append(s.Groups, ThreadGroup{Namespaces: seen, Threads: 1, TIDs: []int{tid}})
}
