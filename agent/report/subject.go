// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"strings"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
)

// Subject is what a report is about: a container, in its pod if it has one.
type Subject struct {
	// Pod is nil for a container outside pods.
	Pod       *v1alpha1.Pod
	Container v1alpha1.ContainerRef
}

// Ids of 64 hex digits are shown by their first 12, as runtimes do.
const (
	fullID  = 64
	shortID = 12
)

// pause names a pause container.
const pause = "(pause)"

// String names the container in a sentence: "default/web main".
func (s Subject) String() string {
	if s.Pod == nil {
		return s.Name()
	}
	return s.PodName() + " " + s.Name()
}

// PodName names the pod: "default/web", or "-" for none.
func (s Subject) PodName() string {
	switch {
	case s.Pod == nil:
		return "-"
	case s.Pod.Name == "":
		return "uid " + s.Pod.UID
	}
	return s.Pod.Namespace + "/" + s.Pod.Name
}

// Name names a container of a pod as the pod does, and others by their runtime's namespace, or
// else their runtime, and their name or id.
func (s Subject) Name() string {
	id := s.Container.ID
	if len(id) == fullID {
		id = id[:shortID]
	}
	name := cmp.Or(s.Container.Name, id)
	switch {
	case s.Container.Sandbox:
		return pause
	case s.Pod != nil:
		return name
	case s.Container.RuntimeNamespace != "":
		return s.Container.RuntimeNamespace + "/" + name
	case s.Container.Runtime != "":
		return s.Container.Runtime + "/" + id
	}
	return id
}

// UniqueName names the container for machines: nothing is shortened, and all but the names of
// containers in pods have a slash.
func (s Subject) UniqueName() string {
	switch {
	case s.Pod != nil && s.Container.Sandbox:
		return pause
	case s.Pod != nil && s.Container.Name != "":
		return s.Container.Name
	}
	return cmp.Or(s.Container.RuntimeNamespace, s.Container.Runtime, "unknown") + "/" + s.Container.ID
}

// InPod begins a sentence about the container, where its pod is known.
func (s Subject) InPod() string {
	switch {
	case s.Container.Sandbox:
		return "The pause container"
	case s.Container.Name == "":
		return "A container"
	}
	return "Container " + s.Container.Name
}

// OnNode begins a sentence about the container among all of the node's.
func (s Subject) OnNode() string {
	var b strings.Builder
	if s.Container.Sandbox {
		b.WriteString("Pause container ")
	} else {
		b.WriteString("Container ")
	}
	b.WriteString(cmp.Or(s.Container.RuntimeNamespace, s.Container.Runtime) + "/" + s.Container.ID)
	if s.Container.Name != "" {
		b.WriteString(" named " + s.Container.Name)
	}
	if s.Container.Image != "" {
		b.WriteString(" of image " + s.Container.Image)
	}
	switch pod := s.Pod; {
	case pod == nil:
	case pod.Name == "":
		b.WriteString(" in the pod with UID " + pod.UID)
	default:
		b.WriteString(" in pod " + pod.Namespace + "/" + pod.Name)
	}
	return b.String()
}
