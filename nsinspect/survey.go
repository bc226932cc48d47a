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
	// Truncated says that there were more groups than the cap, so that threads are
	// missing from Groups.
	Truncated bool
	// Ended says that no thread was left to read: a zombie, or a process that died during
	// the look. It is in no namespace.
	Ended bool
}

// Survey reads the namespaces of these kinds of every thread of the process. A leader
// that ended while other threads live on does not hide them. The error is [ErrVanished]
// when the process is gone, or the context's.
func (p *Process) Survey(ctx context.Context, kinds []Kind) (Survey, error) {
	single, err := p.singleThreaded()
	if err != nil {
		return Survey{}, err
	}
	var survey Survey
	if single {
		err = p.surveyThread(&survey, p.pid, "", kinds)
	} else {
		err = p.surveyThreads(ctx, &survey, kinds)
	}
	if err != nil {
		return Survey{}, err
	}
	if len(survey.Groups) == 1 && !survey.Truncated {
		survey.Groups[0].TIDs = nil
	}
	survey.Ended = survey.Threads == 0 && survey.Denied == 0
	return survey, nil
}

func (p *Process) surveyThreads(ctx context.Context, survey *Survey, kinds []Kind) error {
	tids, err := p.Threads(ctx)
	if err != nil {
		return err
	}
	for _, tid := range tids {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.surveyThread(survey, tid, threadDir(tid), kinds); err != nil {
			return err
		}
	}
	return nil
}

// surveyThread adds one thread to the survey.
func (p *Process) surveyThread(survey *Survey, tid int, dir string, kinds []Kind) error {
	var seen Namespaces
	for _, kind := range kinds {
		id, err := p.namespaceAt(dir, kind)
		switch {
		case errors.Is(err, ErrVanished):
			return nil
		case errors.Is(err, ErrDenied):
			survey.Denied++
			return nil
		case err != nil:
			return err
		}
		seen.Set(kind, id)
	}
	survey.Threads++
	survey.add(seen, tid)
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
