// SPDX-License-Identifier: Apache-2.0

package events

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/report"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1/convert"
	"github.com/nsaudit/nsaudit/agent/snapshot"
)

const (
	// Controller is the reportingController of all Events.
	Controller = "nsaudit.io/agent"
	// Action is the action of all Events.
	Action = "Audit"
)

// Limits of the API server (k8s.io/kubernetes/pkg/apis/core/validation/events.go), in bytes.
const (
	maxInstance = 128
	maxNote     = 1024
)

// Annotations of all Events about findings.
const (
	findingAnnotation  = "nsaudit.io/finding-id"
	severityAnnotation = "nsaudit.io/severity"
	controlsAnnotation = "nsaudit.io/controls"
)

// normalSuffix ends the names of Events of the type Normal: the API server never lets an Event
// change its type, and a finding may get another severity.
const normalSuffix = ".normal"

// event is what people read about one finding, or what the agent says of itself.
type event struct {
	// key is what the reporter knows it by, and suffix ends the object's name. Both stay the same
	// for as long as the finding is the same for people: whatever the process, and across restarts
	// of the container and of the agent.
	key, suffix string
	// finding is the finding's ID, if it is about one, and owner the pod, or container outside
	// pods, that it is of.
	finding, owner string
	// container is the one that has the finding now.
	container inventory.Key
	reason    string
	eventType string
	// pod is where the Event belongs, nil if there is no pod that it could be kept with.
	// node is where it goes instead.
	pod  *place
	node place
	// verdict is the note behind its subject.
	verdict     string
	annotations map[string]string
}

// place is what an Event is about.
type place struct {
	// namespace is the Event's own: a Node has none.
	namespace string
	regarding corev1.ObjectReference
	// subject is how the note names the container there.
	subject string
}

// eventsOf returns the Events that a node's findings deserve. Those that warn are the first to
// be sent, and the last that a cap leaves out.
func (r *Reporter) eventsOf(result *audit.Result) []event {
	var events []event
	for _, finding := range result.Ranked() {
		if eventType := r.typeOf(finding); eventType != "" {
			events = append(events, newEvent(finding, eventType, r.node))
		}
	}
	return events
}

// isAnnounced reports whether a finding may get an Event.
func isAnnounced(finding *audit.Finding) bool { return !finding.Deferred && !finding.Anonymous }

// typeOf returns the type of a finding's Event, or "" if it gets none.
func (r *Reporter) typeOf(finding *audit.Finding) string {
	_, warned := r.states[finding.ID]
	switch {
	case !isAnnounced(finding), finding.Expected():
		return ""
	case finding.Warns():
		return corev1.EventTypeWarning
	case warned && finding.Ruling == nil && finding.UnknownOrigin():
		// No rule says otherwise: it is only known less well, by whom it was declared.
		return corev1.EventTypeWarning
	case r.mode == All:
		return corev1.EventTypeNormal
	}
	return ""
}

func newEvent(finding *audit.Finding, eventType, nodeName string) event {
	container := finding.Container
	document, declared := convert.Finding(finding, part), convert.Declaration(&container.Declared, part)
	subject := report.Subject{Pod: document.Pod, Container: document.Container}
	e := event{
		key:         finding.ID,
		finding:     finding.ID,
		owner:       ownerOf(container),
		container:   container.Key(),
		reason:      document.Reason,
		eventType:   eventType,
		node:        onNode(subject, nodeName),
		verdict:     " " + report.Note(&document, &declared, limits()),
		annotations: annotationsOf(finding),
	}
	if eventType == corev1.EventTypeNormal {
		e.key += normalSuffix
	}
	e.suffix = e.key
	if isFit(container.Pod) {
		place := onPod(container, subject)
		e.pod = &place
	}
	return e
}

// ownerOf names the pod of a container, or the container if it has none. Quotes keep the parts
// apart, so that no pod can pass for another.
func ownerOf(container *snapshot.Container) string {
	if pod := container.Pod; pod != nil {
		return fmt.Sprintf("%q %q %q", pod.Namespace, pod.Name, pod.UID)
	}
	return fmt.Sprintf("%q", container.Key())
}

// annotationsOf returns what programs that read Events look for.
func annotationsOf(finding *audit.Finding) map[string]string {
	annotations := map[string]string{
		findingAnnotation:  finding.ID,
		severityAnnotation: string(finding.Severity),
	}
	if len(finding.Controls) > 0 {
		annotations[controlsAnnotation] = strings.Join(finding.Controls, ",")
	}
	return annotations
}

// isFit reports whether the API server would take an Event about the pod. Names come from
// what talks to containerd, which need not be the kubelet.
func isFit(pod *inventory.Pod) bool {
	return pod != nil &&
		len(validation.IsDNS1123Subdomain(pod.Name)) == 0 &&
		len(validation.IsDNS1123Label(pod.Namespace)) == 0 &&
		// A UID is any text to the API server: this form has room for all that the kubelet
		// makes, and for nothing that could do harm where it is shown.
		len(validation.IsValidLabelValue(pod.UID)) == 0
}

// onPod is the place of a container whose pod is fit. The UID in the CRI's labels is what
// kubectl describe looks for, with static pods too.
func onPod(container *snapshot.Container, subject report.Subject) place {
	pod := container.Pod
	at := place{
		namespace: pod.Namespace,
		regarding: corev1.ObjectReference{
			APIVersion: "v1", Kind: "Pod",
			Namespace: pod.Namespace, Name: pod.Name, UID: types.UID(pod.UID),
		},
		subject: subject.InPod(),
	}
	// Init and ephemeral containers come out as containers: nothing that the kubelet tells
	// the runtime sets them apart (k8s.io/kubernetes/pkg/kubelet/kuberuntime/labels.go).
	if !container.Sandbox && len(validation.IsDNS1123Label(container.Name)) == 0 {
		at.regarding.FieldPath = "spec.containers{" + container.Name + "}"
	}
	return at
}

func onNode(subject report.Subject, nodeName string) place {
	return place{
		namespace: metav1.NamespaceDefault,
		regarding: nodeReference(nodeName),
		subject:   subject.OnNode(),
	}
}

// nodeReference has the name for a UID, as the kubelet's own Events do: that is what
// kubectl describe looks for, and needs no right to read the Node.
func nodeReference(nodeName string) corev1.ObjectReference {
	return corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: nodeName, UID: types.UID(nodeName)}
}

// object returns the Event as the API server takes it, for its place on the pod or on the
// node.
func (e *event) object(at place, nodeName string, first time.Time) *eventsv1.Event {
	node := nodeReference(nodeName)
	return &eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{Namespace: at.namespace, Name: objectName(at.regarding.Name, e.suffix), Annotations: e.annotations},
		EventTime:           microTime(first),
		ReportingController: Controller,
		ReportingInstance:   nodeName[:min(len(nodeName), maxInstance)],
		Action:              Action,
		Reason:              e.reason,
		Type:                e.eventType,
		Regarding:           at.regarding,
		Related:             &node,
		Note:                report.Short(at.subject+e.verdict, maxNote),
	}
}

// objectName returns a name that begins with what the Event is about, as the kubelet's do.
func objectName(about, suffix string) string {
	room := validation.DNS1123SubdomainMaxLength - len(suffix) - len(".")
	return strings.TrimRight(about[:min(len(about), room)], "-.") + "." + suffix
}
