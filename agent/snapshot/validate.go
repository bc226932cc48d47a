// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/netfilter"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// validate refuses a snapshot with words that no nsaudit writes where it has a fixed set of
// them: they are shown as they are, and verdicts rest on them.
func validate(snap *Snapshot) error {
	var v validator
	oneOf(&v, "host reference", snap.Host.Reference,
		nsinspect.ByHostPID, nsinspect.ByPID1, nsinspect.ByKthreadd, nsinspect.ByNone, runtimes.Containerd)
	oneOf(&v, "source of containers", snap.Inventory.Source, inventory.Sources()...)
	v.gaps(snap.Coverage.Gaps)
	if snap.HostSecurity != nil {
		oneOf(&v, "security module", snap.HostSecurity.Module, nsinspect.AppArmor, nsinspect.SELinux)
	}
	if ports := snap.Ports; ports != nil {
		for protocol, source := range ports.Ways {
			v.protocol(protocol)
			oneOf(&v, "source of sockets", source, socket.Sources()...)
		}
		for _, protocol := range ports.Absent {
			v.protocol(protocol)
		}
		v.socketGaps(ports.NoSockets)
		v.gaps(ports.NoForwards)
		v.gaps(ports.Opaque)
	}
	for i := range snap.Containers {
		v.container(&snap.Containers[i])
	}
	for i := range snap.Ended {
		v.container(&Container{Container: snap.Ended[i]})
	}
	return errors.Join(v.errs...)
}

// validator collects what is wrong.
type validator struct{ errs []error }

// maxErrors caps what is reported of one snapshot: a file may be wrong in each of its lines.
const maxErrors = 4

// oneOf checks that a word is one of those that there are, or empty.
func oneOf[T ~string](v *validator, what string, word T, known ...T) {
	switch {
	case word == "" || slices.Contains(known, word):
	case len(v.errs) < maxErrors:
		v.errs = append(v.errs, fmt.Errorf("no %s is called %.100q", what, word))
	case len(v.errs) == maxErrors:
		v.errs = append(v.errs, errors.New("and more"))
	}
}

func (v *validator) container(container *Container) {
	oneOf(v, "state of a container", container.Status, inventory.Statuses()...)
	oneOf(v, "declarer", container.Declared.By, inventory.Declarers()...)
	for i := range container.Declared.Ports {
		v.protocol(container.Declared.Ports[i].Protocol)
	}
	v.sockets(container.Sockets)
	for i := range container.Forwards {
		forward := &container.Forwards[i]
		v.protocol(forward.Protocol)
		oneOf(v, "place of rules", forward.Backend, netfilter.Backends()...)
		oneOf(v, "kind of forwards", forward.Kind, netfilter.Kinds()...)
		v.sockets(forward.Shadows)
	}
	for i := range container.Held {
		oneOf(v, "way to hold a namespace", container.Held[i].Way, HeldWays()...)
	}
	v.gaps(container.Unread.Gaps)
	v.gaps(container.Unread.Held)
	v.socketGaps(container.Unread.Sockets)
	v.gaps(container.Unread.Forwards)
	v.gaps(container.Unread.Opaque)
	v.gaps(container.Unread.Security)
	v.credentials(container)
	v.sightings(container.Sightings)
}

// sightings checks what a verdict and its wording rest on.
func (v *validator) sightings(sightings []Sighting) {
	seen := make(map[nsinspect.Kind]bool)
	for i := range sightings {
		sighting := &sightings[i]
		switch {
		case len(v.errs) >= maxErrors:
			return
		case seen[sighting.Kind]:
			v.errs = append(v.errs, fmt.Errorf("a container has two sightings of kind %s", sighting.Kind))
		case sighting.Last.Before(sighting.First) || sighting.Count == 0:
			v.errs = append(v.errs, fmt.Errorf("a sighting of kind %s is of no time", sighting.Kind))
		case len(sighting.Visitors) > MaxVisitors || sighting.More < 0:
			v.errs = append(v.errs, fmt.Errorf("a sighting of kind %s has more than %d visitors", sighting.Kind, MaxVisitors))
		}
		seen[sighting.Kind] = true
	}
}

// credentials checks that each process refers to credentials that there are.
func (v *validator) credentials(container *Container) {
	if security := container.Security; security != nil && security.Request != nil {
		for _, profile := range []*inventory.Profile{security.Request.Seccomp, security.Request.AppArmor} {
			if profile != nil {
				oneOf(v, "type of profile", profile.Type, inventory.ProfileTypes()...)
			}
		}
	}
	for i := range container.Credentials {
		if label := container.Credentials[i].Label; label != nil {
			oneOf(v, "security module", label.Module, nsinspect.AppArmor, nsinspect.SELinux)
		}
	}
	for i := range container.Processes {
		for _, group := range container.Processes[i].Credentials {
			if set := group.Set; (set < 0 || set >= len(container.Credentials)) && len(v.errs) < maxErrors {
				v.errs = append(v.errs, fmt.Errorf("no credentials are at index %d", set))
			}
		}
	}
}

func (v *validator) protocol(protocol socket.Protocol) {
	oneOf(v, "protocol", protocol, socket.Protocols()...)
}

func (v *validator) sockets(sockets []Socket) {
	for i := range sockets {
		v.protocol(sockets[i].Protocol)
	}
}

func (v *validator) gaps(gaps []Gap) {
	for _, gap := range gaps {
		oneOf(v, "cause", gap.Cause, Causes()...)
	}
}

func (v *validator) socketGaps(gaps map[socket.Protocol]Gap) {
	for protocol, gap := range gaps {
		v.protocol(protocol)
		oneOf(v, "cause", gap.Cause, Causes()...)
	}
}
