// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"fmt"
	"strings"
	"testing"

	containersapi "github.com/containerd/containerd/api/services/containers/v1"
	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
)

// securityRecords are a container of a pod and its pause container, with these fields of
// PodSandboxConfig's and LinuxContainerSecurityContext.
func securityRecords(sandbox, container string) []*containersapi.Container {
	box, ctr := sandboxRecord("box", "{}"), podContainerRecord("c", "box")
	box.Extensions[extensionSandbox] = stored(criRecord(`"linux":{` + sandbox + `}`))
	ctr.Extensions[extensionCtr] = stored(inContext(container))
	ctr.Sandbox = "box"
	for _, record := range []*containersapi.Container{box, ctr} {
		record.Spec = stored(`{"process":{"user":{"uid":7}},"linux":{` + allNamespaces + `}}`)
	}
	return []*containersapi.Container{ctr, box}
}

func TestSecurityOfPods(t *testing.T) {
	t.Parallel()
	const ownUsers = `"namespace_options":{"userns_options":{}}`
	damaged := `"sysctls":{"a":"` + strings.Repeat("x", maxTexts) + `"}`
	tests := map[string]struct {
		sandbox, container string
		want               inventory.Security
	}{
		"nothing asked":           {``, ``, inventory.Security{Request: &inventory.SecurityRequest{}}},
		"sysctls of the pod":      {`"sysctls":{"a":"1"}`, `"privileged":true`, inventory.Security{Request: &inventory.SecurityRequest{Privileged: true, Sysctls: map[string]string{"a": "1"}}}},
		"users of both":           {`"security_context":{` + ownUsers + `}`, ownUsers, inventory.Security{Request: &inventory.SecurityRequest{UserNamespace: true}}},
		"users of the pod":        {`"security_context":{` + ownUsers + `}`, ``, inventory.Security{Request: &inventory.SecurityRequest{UserNamespace: true}}},
		"users of the container":  {``, ownUsers, inventory.Security{Request: &inventory.SecurityRequest{}}},
		"the sandbox is damaged":  {damaged, `"privileged":true`, inventory.Security{Detail: "its sandbox: decode CRI metadata: its texts have more than 65536 bytes"}},
		"the container is":        {``, `"seccomp":{"profile_type":9}`, inventory.Security{Detail: "decode CRI metadata: it asks for a profile of an unknown type"}},
		"a container of old form": {``, `"seccomp":"x"`, inventory.Security{Detail: "decode CRI metadata: json: cannot unmarshal string into Go struct field criSecurityContext.Metadata.Config.linux.security_context.seccomp of type containerd.criProfile"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := assembled("k8s.io", securityRecords(test.sandbox, test.container), nil, nil)
			spec := &inventory.SecuritySpec{UID: 7, Host: hostUsers}
			test.want.Spec = spec
			if diff := cmp.Diff(&test.want, got[0].Security); diff != "" {
				t.Errorf("container (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(&inventory.Security{Spec: spec}, got[1].Security); diff != "" {
				t.Errorf("pause container (-want +got):\n%s", diff)
			}
			if got[0].Declared.By != inventory.ByPod {
				t.Errorf("the declaration is %+v", got[0].Declared)
			}
		})
	}
}

// TestSecurityIsShared has what was decoded in each list, but for what a sandbox changes.
func TestSecurityIsShared(t *testing.T) {
	t.Parallel()
	all := []decoded{}
	for _, record := range securityRecords(``, `"privileged":true`) {
		all = append(all, decodeRecord("k8s.io", record))
	}
	first, second := assemble(all, nil, nil), assemble(all, nil, nil)
	for i := range first {
		if first[i].Security != second[i].Security {
			t.Errorf("container %s has another security context in each list", first[i].ID)
		}
	}
}

// TestSecurityWithoutSandbox knows the spec, and not all of what the pod asked for.
func TestSecurityWithoutSandbox(t *testing.T) {
	t.Parallel()
	records := securityRecords(``, ``)[:1]
	got := assembled("k8s.io", records, nil, nil)[0].Security
	if got.Request != nil || got.Spec == nil || got.Detail != "containerd has no record of its sandbox box" {
		t.Errorf("without a record of its sandbox: %+v", got)
	}
	inStore := map[string]sandbox{"box": {&inventory.Pod{Name: "vm"}, inventory.Declaration{By: inventory.ByPod}, sandboxRequest{userNamespace: true}}}
	got = assembled("k8s.io", records, nil, inStore)[0].Security
	if got.Request == nil || !got.Request.UserNamespace || got.Detail != "" {
		t.Errorf("with a sandbox of the store: %+v", got)
	}
	records[0].Sandbox = ""
	got = assembled("k8s.io", records, nil, nil)[0].Security
	if got.Request != nil || got.Spec == nil || got.Detail != "it names no sandbox" {
		t.Errorf("with no name of a sandbox: %+v", got)
	}
}

func TestSecurityWithoutPod(t *testing.T) {
	t.Parallel()
	record := securityRecords(``, `"privileged":true`)[0]
	record.Labels = nil
	for _, namespace := range []string{"default", "moby", "k8s.io"} {
		got := assembled(namespace, []*containersapi.Container{record}, nil, nil)[0].Security
		if diff := cmp.Diff(&inventory.Security{Spec: &inventory.SecuritySpec{UID: 7, Host: hostUsers}}, got); diff != "" {
			t.Errorf("in %s (-want +got):\n%s", namespace, diff)
		}
	}
	record.Spec = stored(`{"process":{"user":{"uid":` + strings.Repeat("9", 1<<20) + `}},"linux":{}}`)
	got := assembled("default", []*containersapi.Container{record}, nil, nil)[0].Security
	if got.Spec != nil || got.Detail == "" || len(got.Detail) > 2*maxText {
		t.Errorf("a number of a megabyte: %.2000s", fmt.Sprint(got))
	}
}
