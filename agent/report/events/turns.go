// SPDX-License-Identifier: Apache-2.0

package events

// class is how urgent an Event is.
type class int

// The classes.
const (
	// warning: a Warning that the API server does not have yet.
	warning class = iota
	// other: what else it does not have.
	other
	// refresh: what it has.
	refresh

	classes = int(refresh) + 1
)

// preferences are the classes in the order in which an Event is looked for, by turn: half of the
// turns prefer new Warnings, and the rest can't be kept waiting by them.
var preferences = [...][classes]class{
	{warning, other, refresh}, {refresh, warning, other}, {warning, other, refresh}, {other, refresh, warning},
}

// turns orders a queue. What the agent says of itself comes first. In each class the pods take
// turns, so that one that makes many findings does not delay those of another, in whichever
// order they came.
type turns struct {
	notices []*state
	classes [classes]turn
	n, next int
}

func newTurns() *turns {
	q := new(turns)
	for i := range q.classes {
		q.classes[i].waiting = make(map[string][]*state)
	}
	return q
}

// turn is the Events of a class.
type turn struct {
	// owners are those with Events that wait, the next one first.
	owners  []string
	waiting map[string][]*state
}

// Touch does nothing: an Event that waits does not change its place.
func (*turns) Touch(*state) {}

// Push adds an Event.
func (q *turns) Push(s *state) {
	q.n++
	if s.notice {
		q.notices = append(q.notices, s)
		return
	}
	of := &q.classes[s.class()]
	if len(of.waiting[s.owner]) == 0 {
		of.owners = append(of.owners, s.owner)
	}
	of.waiting[s.owner] = append(of.waiting[s.owner], s)
}

// Len returns how many Events wait.
func (q *turns) Len() int { return q.n }

// Pop returns the next Event.
func (q *turns) Pop() *state {
	q.n--
	if len(q.notices) > 0 {
		s := q.notices[0]
		q.notices = q.notices[1:]
		return s
	}
	order := preferences[q.next%len(preferences)]
	q.next++
	for _, class := range order {
		if s := q.classes[class].pop(); s != nil {
			return s
		}
	}
	return nil // It is only called where there is one.
}

// pop returns the Event whose turn it is, or nil if none waits.
func (t *turn) pop() *state {
	if len(t.owners) == 0 {
		return nil
	}
	owner := t.owners[0]
	t.owners = t.owners[1:]
	waiting := t.waiting[owner]
	s := waiting[0]
	if waiting = waiting[1:]; len(waiting) > 0 {
		t.waiting[owner] = waiting
		t.owners = append(t.owners, owner)
	} else {
		delete(t.waiting, owner)
	}
	return s
}
