// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/nsinspect/internal/procfd"
)

// Survey reads the namespaces of these kinds of every thread of the process. A leader
// that ended while other threads live on does not hide them. The error is [ErrVanished]
// when the process is gone, or the context's.
func (p *Process) Survey(ctx context.Context, kinds []Kind) (Survey, error) {
	return p.SurveyBy(ctx, &Plan{Kinds: kinds})
}

// SurveyBy reads what a plan says of every thread of the process. Of what can't be read of the
// credentials the visitor learns, and the survey goes on. The error is as that of
// [Process.Survey].
func (p *Process) SurveyBy(ctx context.Context, plan *Plan) (Survey, error) {
	s := surveyor{process: p, plan: plan}
	s.groups.survey = &s.survey
	if plan.Credentials != nil {
		s.buffer = p.buffers.Borrow()
		defer p.buffers.Return(s.buffer)
	}
	count, err := s.leader()
	if err == nil && count != none {
		err = s.split()
	}
	switch {
	case err != nil:
		return Survey{}, err
	case count == none:
		return Survey{Ended: true}, nil
	case count == one:
		err = s.thread(p.pid, "")
	default:
		err = s.threads(ctx)
	}
	if err != nil {
		return Survey{}, err
	}
	survey := s.survey
	if len(survey.Groups) == 1 && !survey.Truncated && survey.Denied == 0 && survey.Skipped == 0 {
		survey.Groups[0].TIDs = nil
	}
	survey.Ended = survey.Threads == 0 && survey.Denied == 0
	return survey, nil
}

// threadCount is how many threads a process has, as far as it matters.
type threadCount uint8

const (
	none threadCount = iota
	one
	several
)

// surveyor makes one survey.
type surveyor struct {
	process *Process
	plan    *Plan
	// buffer and status are for reading credentials, one thread after another.
	buffer *procfd.Buffer
	status procStatus
	// common are the namespaces that all threads share, read once.
	common Namespaces
	// denied is set where those could not be read, which is then true of every thread.
	denied bool
	// perThread are the kinds to read of each thread.
	perThread [numKinds]Kind
	n         int
	survey    Survey
	groups    groups
}

// leader reads the credentials of the leader if credentials are wanted, and counts the threads:
// its status has their number too. They are read before the namespaces: a process that has
// entered a user namespace meanwhile is then taken for what it was.
func (s *surveyor) leader() (threadCount, error) {
	visitor := s.plan.Credentials
	if visitor == nil || !visitor.Affords() {
		return s.count()
	}
	size, err := s.process.readStatus("", s.buffer, &s.status)
	switch {
	case errors.Is(err, ErrVanished):
		return none, err
	case err != nil:
		visitor.Visit(&Reading{TID: s.process.pid, Err: err})
		return s.count()
	case s.status.dead() && s.status.threads <= 1:
		return none, nil
	case s.status.dead():
		return several, nil
	}
	s.visit(s.process.pid, "", size)
	if s.status.threads == 1 {
		return one, nil
	}
	return several, nil
}

// count counts the threads without a look at the status.
func (s *surveyor) count() (threadCount, error) {
	single, err := s.process.singleThreaded()
	if err != nil {
		return none, err
	}
	if single {
		return one, nil
	}
	return several, nil
}

// split reads the kinds that belong to the process and keeps the others for its threads.
// A dead leader still answers for the former.
func (s *surveyor) split() error {
	for _, kind := range s.plan.Kinds {
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
	if limit := s.plan.Threads; limit != nil && len(tids) > limit.Max {
		s.survey.Skipped = len(tids) - limit.Max
		tids = limit.choose(tids, s.process.pid)
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

// thread adds one thread to the survey. Its owner is read first: of a thread that is gone the
// kernel says that it is root's, without an error, so what counts are the reads after it.
func (s *surveyor) thread(tid int, dir string) error {
	wanted := s.wants(tid, dir)
	seen, err := s.namespaces(dir)
	switch {
	case errors.Is(err, ErrVanished):
		return nil
	case errors.Is(err, ErrDenied):
		s.survey.Denied++ // Which does not keep anyone from reading its credentials.
	case err != nil:
		return err
	default:
		s.survey.Threads++
		s.groups.add(seen, tid, s.ofHost)
	}
	if wanted {
		s.credentials(tid, dir)
	}
	return nil
}

// ofHost returns what a thread has of the host's namespaces, beside those that all threads of a
// process share: nothing, if it has no other of the host's.
func (s *surveyor) ofHost(seen Namespaces) Namespaces {
	if s.plan.Host == nil {
		return Namespaces{}
	}
	kept, shares := s.common, false
	for _, kind := range s.perThread[:s.n] {
		id, _ := seen.Get(kind)
		if host, ok := s.plan.Host.Get(kind); ok && id == host {
			kept.Set(kind, id)
			shares = true
		}
	}
	if !shares {
		return Namespaces{}
	}
	return kept
}

// namespaces reads the namespaces of one thread.
func (s *surveyor) namespaces(dir string) (Namespaces, error) {
	if s.denied {
		return Namespaces{}, ErrDenied
	}
	seen := s.common
	for _, kind := range s.perThread[:s.n] {
		id, err := s.process.namespaceAt(dir, kind)
		if err != nil {
			return Namespaces{}, err
		}
		seen.Set(kind, id)
	}
	return seen, nil
}

// wants reports whether the credentials of a thread are still to be read.
func (s *surveyor) wants(tid int, dir string) bool {
	visitor := s.plan.Credentials
	if visitor == nil || tid == s.process.pid {
		return false // Those of the leader were read first.
	}
	var stat unix.Stat_t
	if err := procfd.Stat(s.process.fd, dir, &stat, 0); err != nil {
		return false // It has ended: anyone may look at the directory.
	}
	return visitor.Wants(tid, stat.Uid)
}

// credentials reads those of one thread, unless it has ended.
func (s *surveyor) credentials(tid int, dir string) {
	if !s.plan.Credentials.Affords() {
		return
	}
	size, err := s.process.readStatus(dir, s.buffer, &s.status)
	switch {
	case errors.Is(err, ErrVanished):
	case err != nil:
		s.plan.Credentials.Visit(&Reading{TID: tid, Err: err})
	case !s.status.dead():
		s.visit(tid, dir, size)
	}
}

// visit hands the credentials over that were just read.
func (s *surveyor) visit(tid int, dir string, size int) {
	reading := Reading{TID: tid, Credentials: &s.status.Credentials, Size: size}
	if s.plan.Labels {
		label, err := s.process.labelAt(dir)
		switch {
		case err == nil:
			reading.Label = &label
		case errors.Is(err, ErrVanished):
			return
		case !errors.Is(err, ErrAbsent):
			reading.LabelErr = fmt.Errorf("thread %d: %w", tid, err)
		}
	}
	s.plan.Credentials.Visit(&reading)
}
