// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// setup is an init container of the pod that has ended, and was root with all capabilities, all
// files of the host, and its network.
func setup() inventory.Container {
	spec := told(0)
	spec.Bounding, spec.Effective, spec.Permitted = everyCapability, everyCapability, everyCapability
	spec.AllDevices, spec.Masked = true, nil
	spec.Host = append(spec.Host, nsinspect.Net, nsinspect.UTS, nsinspect.Cgroup)
	spec.Mounts = []inventory.Mount{{Source: "/", Point: "/host"}}
	c := boxed(spec).Container
	c.ID, c.Name, c.Status, c.Declared = "setup-id", "setup", inventory.Stopped, byPod(nsinspect.Net)
	c.Security.Request.Privileged = true
	return c
}

// TestEnded has the posture of containers that have ended. They have no findings.
func TestEnded(t *testing.T) {
	t.Parallel()
	running := boxed(told(405), cred(405, func(c *snapshot.Credentials) { c.NoNewPrivileges, c.Seccomp = true, nsinspect.SeccompFilter }))
	posture := []string{
		"setup-id RunsAsRoot pod: uid 0",
		"setup-id CapabilitiesAdded pod: DAC_READ_SEARCH (dangerous), NET_ADMIN (dangerous), SYS_MODULE (dangerous), SYS_RAWIO (dangerous), SYS_PTRACE (dangerous), SYS_ADMIN (dangerous), SYS_BOOT (dangerous), SYSLOG (dangerous) +19",
		"setup-id PrivilegeEscalationAllowed pod: no_new_privs 0",
		"setup-id SeccompUnconfined pod: no filter",
		"setup-id ProcUnmasked pod: /proc",
		"setup-id HostPathMounted pod: / (sensitive, writable)",
		"setup-id HostDevices pod: every device",
	}
	tests := map[string]struct {
		change func(*snapshot.Snapshot)
		want   []string
	}{
		"an init container":             {func(*snapshot.Snapshot) {}, posture},
		"one that has no task any more": {func(s *snapshot.Snapshot) { s.Ended[0].Status = inventory.NoTask }, posture},
		"one that has failed before": {func(s *snapshot.Snapshot) {
			before := setup()
			before.ID = "before-id"
			s.Ended = append(s.Ended, before)
		}, posture},
		"one that was started again": {func(s *snapshot.Snapshot) {
			s.Ended[0].Name = "main"
			s.Containers[0].ID = "again-id"
		}, nil},
		"one of a pod that is gone": {func(s *snapshot.Snapshot) {
			s.Ended[0].Pod = &inventory.Pod{Namespace: "default", Name: "p", UID: "before"}
		}, nil},
		"one of no pod":      {func(s *snapshot.Snapshot) { s.Ended[0].Pod = nil }, nil},
		"one without a spec": {func(s *snapshot.Snapshot) { s.Ended[0].Security = nil }, nil},
		"a spec that is not what the pod asked for": {func(s *snapshot.Snapshot) {
			request := &inventory.SecurityRequest{Masked: []string{"/proc/keys"}, Seccomp: &inventory.Profile{Type: inventory.RuntimeDefault}}
			s.Ended[0].Security = &inventory.Security{Spec: told(405), Request: request}
			s.Ended[0].Security.Spec.Masked, s.Ended[0].Security.Spec.NoNewPrivileges = nil, true
		}, nil},
		"no security context was read": {func(s *snapshot.Snapshot) { s.HostSecurity = nil }, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := secured(running)
			s.Ended = []inventory.Container{setup()}
			test.change(s)
			result := Judge(s)
			if diff := cmp.Diff(test.want, contextLines(result.Findings, result.Posture)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
