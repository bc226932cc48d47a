// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"fmt"

	containersapi "github.com/containerd/containerd/api/services/containers/v1"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// maxTexts caps the bytes of all texts in one layer of a security context: paths, names and
// sysctls. A pod with a hundred volumes has 16 KiB.
const maxTexts = 64 << 10

// The errors of a layer that is above a cap. It is unknown then: to compare with a part of it would
// make up findings, or hide some.
var (
	errManyEntries = fmt.Errorf("it has a list of more than %d entries", maxEntries)
	errLongTexts   = fmt.Errorf("its texts have more than %d bytes", maxTexts)
)

// securityOf decodes what the runtime was told.
func securityOf(record *containersapi.Container) *inventory.Security {
	spec, err := decodeSecuritySpec(record.GetSpec().GetValue())
	return &inventory.Security{Spec: spec, Detail: detail(err)}
}

// addRequest adds what a pod asked for one of its containers. The CRI hands over a security context
// for the sandbox too, but the pod's author has asked for nothing there: it is the kubelet's, and
// where a container of the pod is privileged, the runtime leaves out the restrictions of the pause
// container as well. What counts there is the spec.
func addRequest(c *inventory.Container, metadata []byte) {
	request, err := decodeRequest(metadata)
	switch {
	case err != nil:
		c.Security.Detail = first(c.Security.Detail, detail(err))
	case c.SandboxID == "":
		c.Security.Detail = first(c.Security.Detail, c.Declared.Detail)
	default:
		c.Security.Request = request
	}
}

// detail is the text of an error. Those of JSON quote the document.
func detail(err error) string {
	if err == nil {
		return ""
	}
	return clip(err.Error())
}

// layer counts what is taken over into one layer of a security context.
type layer struct {
	bytes int
	err   error
}

// fail makes the layer unknown.
func (l *layer) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

// texts takes over a list of texts.
func (l *layer) texts(texts list[string]) []string {
	l.count(texts.more)
	for _, text := range texts.entries {
		l.text(text)
	}
	return texts.entries
}

// text takes over a text.
func (l *layer) text(text string) string {
	if l.bytes += len(text); l.bytes > maxTexts {
		l.fail(errLongTexts)
	}
	return text
}

// settings takes over texts by name.
func (l *layer) settings(settings map[string]string) map[string]string {
	l.count(len(settings) > maxEntries)
	for name, value := range settings {
		l.text(name)
		l.text(value)
	}
	if len(settings) == 0 {
		return nil
	}
	return settings
}

// count remembers that a list has more entries than the cap.
func (l *layer) count(more bool) {
	if more {
		l.fail(errManyEntries)
	}
}

// withSandbox completes what a pod's container asked for with what is in the record of its sandbox. It
// is a copy where it differs: what was decoded is shared.
func withSandbox(security *inventory.Security, asked *sandboxRequest) *inventory.Security {
	if security == nil || security.Request == nil {
		return security
	}
	if asked.err != nil {
		return withoutRequest(security, "its sandbox: "+detail(asked.err))
	}
	request := *security.Request
	if request.UserNamespace == asked.userNamespace && len(asked.sysctls) == 0 {
		return security
	}
	request.UserNamespace, request.Sysctls = asked.userNamespace, asked.sysctls
	return &inventory.Security{Request: &request, Spec: security.Spec, Detail: security.Detail}
}

// withoutRequest is a security context of which it is not known what the pod asked for.
func withoutRequest(security *inventory.Security, cause string) *inventory.Security {
	if security == nil || security.Request == nil {
		return security
	}
	return &inventory.Security{Spec: security.Spec, Detail: first(security.Detail, cause)}
}
