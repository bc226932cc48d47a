// SPDX-License-Identifier: Apache-2.0

package events

import (
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// deliveryError is why the API server did not take an Event.
type deliveryError struct {
	// verb is create or patch, and namespace the Event's.
	verb, namespace string
	// err is the API server's answer, or what became of the request.
	err error
}

// Error names the request, the answer and, where there is one, the remedy.
func (e *deliveryError) Error() string {
	return fmt.Sprintf("%s events.events.k8s.io in namespace %q: %v%s", e.verb, e.namespace, e.err, e.remedy())
}

// Unwrap returns the API server's answer.
func (e *deliveryError) Unwrap() error { return e.err }

func (e *deliveryError) remedy() string {
	var status apierrors.APIStatus
	switch {
	case apierrors.IsUnauthorized(e.err):
		return "; check that the agent's service account exists and its token is mounted, or that the credentials of its kubeconfig are valid"
	case consequenceOf(e.err) != again:
		return ""
	case apierrors.IsForbidden(e.err):
		return "; grant the agent's service account the verbs create and patch on events of the group events.k8s.io in all namespaces"
	case errors.As(e.err, &status):
		return ""
	}
	return "; check that the agent can reach the API server"
}

// classOf returns the class of a problem: each class is logged once.
func classOf(err error) string {
	var failed *deliveryError
	if !errors.As(err, &failed) {
		return ""
	}
	return failed.verb + " " + string(apierrors.ReasonForError(err))
}

// consequence is what an error means for the Event.
type consequence int

const (
	// again: nothing is wrong with the Event, so it is sent again.
	again consequence = iota
	// move: it can't be kept with the pod, so it goes to the node.
	move
	// drop: its namespace is being deleted, and the pod with it.
	drop
	// reject: the API server will never take it.
	reject
)

func consequenceOf(err error) consequence {
	switch {
	case errors.Is(err, errForeign), isNamespaceMissing(err):
		return move
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return drop
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err):
		return reject
	}
	return again
}

// isNamespaceMissing reports whether the namespace is what was not found: a pod of the node in
// a namespace that the API server does not have was not created through it, or its namespace
// was deleted.
func isNamespaceMissing(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Reason != metav1.StatusReasonNotFound {
		return false
	}
	details := status.Status().Details
	return details != nil && details.Kind == "namespaces"
}

// retryAfter returns how long the API server asks to wait; 0 if it doesn't.
func retryAfter(err error) time.Duration {
	seconds, _ := apierrors.SuggestsClientDelay(err)
	return time.Duration(seconds) * time.Second
}
