// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// EndedInPods returns the containers that have ended and are still a part of what a pod is: of pods
// that are there, and not those that were started again, which are there under the same name.
func (s *Snapshot) EndedInPods() []*inventory.Container {
	if len(s.Ended) == 0 {
		return nil
	}
	type member struct {
		pod  inventory.PodKey
		name string
	}
	pods, there := make(map[inventory.PodKey]bool), make(map[member]bool)
	for i := range s.Containers {
		if container := &s.Containers[i]; container.Pod != nil {
			key := container.Pod.Key()
			pods[key] = true
			there[member{key, container.Name}] = there[member{key, container.Name}] || !container.Sandbox
		}
	}
	var ended []*inventory.Container
	for i := range s.Ended {
		container := &s.Ended[i]
		if container.Pod == nil || !pods[container.Pod.Key()] {
			continue
		}
		if of := (member{container.Pod.Key(), container.Name}); !there[of] {
			there[of] = true
			ended = append(ended, container)
		}
	}
	return ended
}

// AsSpecified returns a container that has ended as if its one process still ran, as the runtime was
// told to start it: in the host's namespaces that were asked for, with the spec's credentials. It
// reports whether what the runtime was told is known, and the host's security context too.
func (s *Snapshot) AsSpecified(ended *inventory.Container) (*Container, bool) {
	spec := ended.SecuritySpec()
	if spec == nil || s.HostSecurity == nil {
		return nil, false
	}
	var namespaces nsinspect.Namespaces
	for _, kind := range nsinspect.Kinds() {
		if id, ok := s.Host.Namespaces.Get(kind); ok && ended.Asks(kind) {
			namespaces.Set(kind, id)
		}
	}
	return &Container{
		Container:   *ended,
		Credentials: []Credentials{{Credentials: specified(spec), Label: specifiedLabel(spec, s.HostSecurity.Module)}},
		Processes: []Process{{
			Groups:      []nsinspect.ThreadGroup{{Namespaces: namespaces, Threads: 1}},
			Credentials: []CredentialGroup{{Set: 0, Threads: 1}},
		}},
	}, true
}

// specified returns the credentials that the runtime was told to give.
func specified(spec *inventory.SecuritySpec) nsinspect.Credentials {
	uid := spec.UID
	if len(spec.Users.UIDs) > 0 {
		outside, ok := spec.Users.UIDs.Outside(uid)
		if !ok {
			outside = nsinspect.OverflowID
		}
		uid = outside
	}
	credentials := nsinspect.Credentials{
		UIDs:        nsinspect.IDs{Real: uid, Effective: uid, Saved: uid, Filesystem: uid},
		Inheritable: spec.Inheritable, Permitted: spec.Permitted, Effective: spec.Effective,
		Bounding: spec.Bounding, Ambient: spec.Ambient,
		NoNewPrivileges: spec.NoNewPrivileges,
		Known:           nsinspect.FieldAmbient | nsinspect.FieldNoNewPrivileges | nsinspect.FieldSeccomp,
	}
	if spec.Seccomp {
		credentials.Seccomp = nsinspect.SeccompFilter
	}
	return credentials
}

// specifiedLabel returns how the host's security module was told to confine a container; nil where
// there is none.
func specifiedLabel(spec *inventory.SecuritySpec, module nsinspect.SecurityModule) *nsinspect.Label {
	if module == "" {
		return nil
	}
	label := &nsinspect.Label{Module: module, Name: spec.Label(module)}
	if label.Name == "" {
		label.Name = nsinspect.Unconfined
	}
	return label
}
