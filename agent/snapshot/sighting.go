// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"slices"
	"time"

	"github.com/nsaudit/nsaudit/nsinspect"
)

// SightingTTL is how long a sighting is kept after the last time that somebody was seen. A scan that
// sees nobody does not refute it.
const SightingTTL = time.Hour

// MaxVisitors caps the visitors that a sighting names.
const MaxVisitors = 4

// Sighting is that processes of a container were seen in a namespace of the host that it did not declare,
// and have left it again. A container has at most one for each kind.
type Sighting struct {
	Kind nsinspect.Kind `json:"kind"`
	// First and Last are when somebody was seen there, and Count how often. How long they were there
	// between two looks is not known.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	Count uint64    `json:"count"`
	// Visitors are the last that were seen, a program each, and More counts those that are not named.
	Visitors []Visitor `json:"visitors"`
	More     int       `json:"more,omitempty"`
}

// Visitor is a process that was seen.
type Visitor struct {
	PID int `json:"pid"`
	// Command and Executable are its name and the path of what it executes, cut off. The process, and
	// its container, choose them: escape them before they are shown.
	Command    string `json:"command,omitempty"`
	Executable string `json:"executable,omitempty"`
}

// Sight adds that a process was seen.
func (s *Sighting) Sight(at time.Time, visitor Visitor) {
	if s.Count == 0 {
		s.First = at
	}
	s.Last = at
	s.Count++
	s.visited(visitor)
}

// visited keeps the last visitor of each program.
func (s *Sighting) visited(visitor Visitor) {
	for i := range s.Visitors {
		known := &s.Visitors[i]
		if known.Command == visitor.Command && known.Executable == visitor.Executable {
			known.PID = visitor.PID
			return
		}
	}
	if len(s.Visitors) < MaxVisitors {
		s.Visitors = append(s.Visitors, visitor)
	} else {
		s.More++
	}
}

// join returns what two sightings of one kind are together.
func (s *Sighting) join(later *Sighting) Sighting {
	joined := *s
	joined.Visitors = slices.Clone(s.Visitors)
	if later.First.Before(joined.First) {
		joined.First = later.First
	}
	if later.Last.After(joined.Last) {
		joined.Last = later.Last
	}
	joined.Count += later.Count
	joined.More += later.More
	for _, visitor := range later.Visitors {
		joined.visited(visitor)
	}
	return joined
}

// SightingOf returns the container's sighting of a kind, or nil.
func (c *Container) SightingOf(kind nsinspect.Kind) *Sighting {
	i := slices.IndexFunc(c.Sightings, func(s Sighting) bool { return s.Kind == kind })
	if i < 0 {
		return nil
	}
	return &c.Sightings[i]
}

// keepSightings takes over what was seen of a container before, as long as it is kept.
func keepSightings(container, known *Container, now time.Time) {
	container.Sightings = slices.Clone(container.Sightings)
	for _, before := range known.Sightings {
		if now.Sub(before.Last) > SightingTTL {
			continue
		}
		if seen := container.SightingOf(before.Kind); seen != nil {
			*seen = before.join(seen)
		} else {
			container.Sightings = append(container.Sightings, before)
		}
	}
}
