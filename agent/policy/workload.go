// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/nsaudit/nsaudit/agent/snapshot"
)

// workload is what runs a container, as a rule names it.
type workload struct {
	// namespace and pod are of a pod that no label names.
	namespace, pod string
	// app and component are labels with their values, as "k8s-app=kube-proxy".
	app, component string
	// image is of a container outside pods.
	image string
}

// workloadOf returns the workload of a container, and the name of the container there; false if
// no rule can name it. The name is empty where a runtime has given it none but an id, which the
// next container would not have.
func workloadOf(container *snapshot.Container) (w workload, name string, ok bool) {
	name = containerName(container)
	pod := container.Pod
	if pod == nil {
		w.image = literal(container.Image)
		if container.Name == "" && len(container.ID) == fullID && w.image != "" {
			return w, "", true
		}
		return w, name, literal(name) != ""
	}
	w.namespace = literal(pod.Namespace)
	if w.app, w.component = appLabels(pod.Labels); w.app == "" {
		w.pod = literal(pod.Name)
	}
	return w, name, w.namespace != "" && (w.app != "" || w.pod != "") && literal(name) != ""
}

// fullID is the length of the ids that runtimes make up.
const fullID = 64

// literal returns the text if a pattern can stand for it alone, else nothing.
func literal(text string) string {
	if p, err := parsePattern(text); err != nil || !p.literal() || len(text) > maxValue {
		return ""
	}
	return text
}

// appLabels returns the labels that name a pod's workload, the first that are there.
func appLabels(pod map[string]string) (app, component string) {
	const recommended = "app.kubernetes.io/"
	named := func(label string) string {
		value := pod[label]
		if _, err := labels.ValidatedSelectorFromSet(labels.Set{label: value}); err != nil || value == "" {
			return ""
		}
		return label + "=" + value
	}
	if app := named(recommended + "name"); app != "" {
		return app, named(recommended + "component")
	}
	return cmp.Or(named("k8s-app"), named("app"), named("component")), ""
}

// labels returns the labels as a rule has them; nil for none.
func (w *workload) labels() *suggestedSelector {
	if w.app == "" {
		return nil
	}
	match := make(map[string]string)
	for _, pair := range []string{w.app, w.component} {
		if label, value, ok := strings.Cut(pair, "="); ok {
			match[label] = value
		}
	}
	return &suggestedSelector{match}
}

// String names the workload for a rule.
func (w *workload) String() string {
	if w.namespace == "" {
		image := w.image[strings.LastIndexByte(w.image, '/')+1:]
		image, _, _ = strings.Cut(image, ":")
		return cmp.Or(image, "outside-pods")
	}
	var parts []string
	for _, pair := range []string{w.app, w.component} {
		if _, value, ok := strings.Cut(pair, "="); ok {
			parts = append(parts, value)
		}
	}
	return strings.Join(append([]string{w.namespace, w.pod}, parts...), "-")
}
