// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// TestNoFalseAlarms has what common programs look like in the kernel: it is what was declared, or
// tighter, and so no drift.
func TestNoFalseAlarms(t *testing.T) {
	t.Parallel()
	dropped := func(uid uint32) snapshot.Credentials {
		return cred(uid, func(c *snapshot.Credentials) { c.Groups = nil })
	}
	sandboxed := cred(33, func(c *snapshot.Credentials) {
		c.NoNewPrivileges, c.Seccomp, c.Filters, c.Bounding = true, nsinspect.SeccompFilter, 34, netBind
	})
	nested := func(c snapshot.Container, i int) snapshot.Container {
		c.Processes[i] = in(in(c.Processes[i], nsinspect.User, nestedUsers), nsinspect.Mnt, 206)
		return c
	}
	filtered := told(405)
	filtered.Seccomp, filtered.NoNewPrivileges = true, true
	restricted := cred(405, func(c *snapshot.Credentials) {
		c.Seccomp, c.Filters, c.NoNewPrivileges = nsinspect.SeccompFilter, 1, true
	})
	everything := cred(405, func(c *snapshot.Credentials) {
		c.Bounding, c.Permitted, c.Effective = everyCapability, everyCapability, everyCapability
	})
	tight := everything
	tight.Seccomp, tight.Filters, tight.NoNewPrivileges = nsinspect.SeccompFilter, 2, true
	thread := boxed(filtered, restricted, cred(405, func(c *snapshot.Credentials) {
		c.Seccomp, c.Filters, c.NoNewPrivileges, c.Bounding = nsinspect.SeccompFilter, 3, true, 0
	}))
	thread.Processes = []snapshot.Process{member(11, 0)}
	thread.Processes[0].Credentials = []snapshot.CredentialGroup{{Set: 0, Threads: 1, TIDs: []int{11}}, {Set: 1, Threads: 1, TIDs: []int{12}}}
	dind := boxed(told(0), of(0))
	dind.Security.Spec.Mounts = []inventory.Mount{{Source: "/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/d", Point: "/var/lib/docker", Recursive: true}}
	dind.Mounts.Host = []nsinspect.Mount{
		{Major: 8, Minor: 1, Root: "/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/d", Point: "/var/lib/docker", FSType: "ext4"},
		{Major: 8, Minor: 1, Root: "/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/d/volumes/x", Point: "/mnt/x", FSType: "ext4"},
	}
	tests := map[string]snapshot.Container{
		"nginx, haproxy, postfix, cron: a master and workers": boxed(told(0), of(0), of(33), of(103)),
		"redis by gosu, memcached -u, postgres":               boxed(told(0), dropped(999)),
		"haproxy and journald under systemd":                  boxed(told(0), of(0), sandboxed),
		"redis under systemd, with users of its own":          nested(boxed(told(0), of(0), everything), 1),
		"dbus-daemon keeps a capability":                      boxed(told(0), of(0), holding(100, 1<<29)),
		"ping, once its socket is open":                       boxed(told(1000), of(1000)),
		"apt as _apt":                                         boxed(told(0), of(0), of(42)),
		"an unprivileged user namespace":                      nested(boxed(filtered, restricted, tight), 1),
		"rootless buildkit: a lent user":                      nested(boxed(told(1000), of(1000), cred(101000, func(c *snapshot.Credentials) { c.Bounding, c.Permitted = everyCapability, everyCapability })), 1),
		"a sandbox in a thread of its own":                    thread,
		"kubectl exec: as the container":                      boxed(filtered, restricted, restricted),
		"a user namespace of the pod's":                       mappedTo(65536, boxed(told(0), of(65536), of(65569))),
		"nested in a user namespace of the pod's":             nested(mappedTo(65536, boxed(told(405), of(65941), cred(65941, func(c *snapshot.Credentials) { c.Bounding, c.Permitted = everyCapability, everyCapability }))), 1),
		"Docker in a pod, on a volume":                        dind,
		"an init container that has ended":                    boxed(filtered),
	}
	for name, container := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := DefaultSelection().Judge(secured(container))
			if diff := cmp.Diff([]string(nil), contextLines(result.Findings)); diff != "" {
				t.Errorf("findings:\n%s", diff)
			}
			if len(result.Unknown) > 0 {
				t.Errorf("unknown: %+v", result.Unknown)
			}
		})
	}
}
