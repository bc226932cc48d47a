// SPDX-License-Identifier: Apache-2.0

package level_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/level"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// restricted returns a pod with one container that each level allows.
func restricted() *corev1.Pod {
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{
		Name: "app",
		SecurityContext: &corev1.SecurityContext{
			RunAsUser: new(int64(999)), AllowPrivilegeEscalation: new(false),
			Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
	}}}}
	pod.Namespace, pod.Name = "default", "p"
	return pod
}

// app returns the container of the first pod of a snapshot.
func app(snap *snapshot.Snapshot) *snapshot.Container { return &snap.Containers[1] }

// own gives the container another copy of what was asked for.
func own(c *snapshot.Container) (*inventory.SecurityRequest, *inventory.SecuritySpec) {
	request, spec := *c.Security.Request, *c.Security.Spec
	c.Security = &inventory.Security{Request: &request, Spec: &spec}
	return &request, &spec
}

// lines puts what was found into lines.
func lines(pod *level.Pod) []string {
	lines := []string{fmt.Sprintf("%s, declared %s..%s", pod.Enforced, pod.Declared.Lowest, pod.Declared.Highest)}
	if pod.Lowered {
		lines[0] += ", lowered"
	}
	for _, v := range pod.Violations {
		lines = append(lines, fmt.Sprintf("%s: %s: %s: %s", v.Level, v.Control, v.Container, v.Detail))
	}
	return append(lines, "unverified: "+strings.Join(pod.Unverified, ", "))
}

// intrude adds a process with all capabilities in some user namespace.
func intrude(c *snapshot.Container, users nsinspect.ID) {
	credentials := c.Credentials[0]
	credentials.Bounding, credentials.Effective = everything, everything
	c.Credentials = append(c.Credentials, credentials)
	seen := namespaces(1)
	seen.Set(nsinspect.User, users)
	c.Processes = append(c.Processes, snapshot.Process{
		PID: 77, Groups: []nsinspect.ThreadGroup{{Namespaces: seen, Threads: 1}},
		Credentials: []snapshot.CredentialGroup{{Set: 1, Threads: 1}},
	})
}

const onlyProbes = "unverified: Host Probes / Lifecycle Hooks"

// TestControls has what the kernel shows of each control, in a pod that is restricted but for that.
func TestControls(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		module nsinspect.SecurityModule
		pod    func(*corev1.Pod)
		change func(*snapshot.Snapshot, *snapshot.Container)
		want   []string
	}{
		"nothing": {want: []string{"restricted, declared baseline..restricted", onlyProbes}},
		"a process in the host's namespaces": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				c.Processes = append(c.Processes, snapshot.Process{
					PID: 77, Credentials: c.Processes[0].Credentials,
					Groups: []nsinspect.ThreadGroup{{Namespaces: namespaces(1, nsinspect.Net, nsinspect.IPC), Threads: 1}},
				})
			},
			want: []string{"privileged, declared baseline..restricted, lowered", "baseline: Host Namespaces: app: the host's net, ipc (PID 77)", onlyProbes},
		},
		"a privileged container": {
			pod: func(p *corev1.Pod) {
				p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: new(true)}
			},
			want: []string{
				"privileged, declared privileged..privileged",
				"baseline: Privileged Containers: app: all devices and capabilities",
				"baseline: Capabilities: app: all capabilities of the host (PID 1000)",
				"restricted: Privilege Escalation: app: no_new_privs is not set (PID 1000)",
				"restricted: Running as Non-root: app: uid 0 (PID 1000)",
				"restricted: Seccomp: app: the runtime was given no profile",
				"unverified: Host Probes / Lifecycle Hooks, Seccomp",
			},
		},
		"SYS_ADMIN added by the runtime's exec": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				exec := c.Credentials[0]
				exec.Bounding |= sysAdmin
				exec.Effective |= sysAdmin
				c.Credentials = append(c.Credentials, exec)
				c.Processes = append(c.Processes, snapshot.Process{
					PID: 77, Groups: c.Processes[0].Groups, Credentials: []snapshot.CredentialGroup{{Set: 1, Threads: 1}},
				})
			},
			want: []string{"privileged, declared baseline..restricted, lowered", "baseline: Capabilities: app: SYS_ADMIN (PID 77)", onlyProbes},
		},
		"capabilities that a second look did not see": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				c.Credentials[0].Bounding |= sysAdmin
				c.Processes[0].Credentials[0].Unconfirmed = inventory.MoreCapabilities
			},
			want: []string{"restricted, declared baseline..restricted", onlyProbes},
		},
		"all capabilities in a nested user namespace": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) { intrude(c, nstest.ID(999)) },
			want:   []string{"restricted, declared baseline..restricted", onlyProbes},
		},
		"all capabilities in the host's, which is above the pod's": {
			pod:    func(p *corev1.Pod) { p.Spec.HostUsers = new(false) },
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) { intrude(c, namespace(nsinspect.User, 0)) },
			want: []string{
				"privileged, declared baseline..restricted, lowered",
				"baseline: Capabilities: app: all capabilities of the host (PID 77)", onlyProbes,
			},
		},
		"the capabilities of the runtime": {
			pod: func(p *corev1.Pod) { p.Spec.Containers[0].SecurityContext.Capabilities = nil },
			want: []string{
				"baseline, declared baseline..baseline",
				"restricted: Capabilities: app: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP and 5 more (PID 1000)",
				onlyProbes,
			},
		},
		"NET_BIND_SERVICE": {
			pod: func(p *corev1.Pod) {
				p.Spec.Containers[0].SecurityContext.Capabilities.Add = []corev1.Capability{"NET_BIND_SERVICE"}
			},
			want: []string{"restricted, declared baseline..restricted", onlyProbes},
		},
		"a directory of the host": {
			pod: func(p *corev1.Pod) {
				p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/var/log"}}}}
			},
			want: []string{"privileged, declared privileged..restricted", "baseline: HostPath Volumes: app: /var/log", onlyProbes},
		},
		"a directory of a provisioner": {
			pod: func(p *corev1.Pod) {
				p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{
					Path: "/opt/local-path-provisioner/pvc-0d9f2b7e-5d3a-4c9c-9f43-1de1b0f6a1c7_default_data",
				}}}}
			},
			want: []string{"restricted, declared privileged..restricted", "unverified: HostPath Volumes, Host Probes / Lifecycle Hooks"},
		},
		"a part of a volume": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				request, _ := own(c)
				request.Mounts = []inventory.Mount{{Source: "/data/kubelet/pods/" + c.Pod.UID + "/volume-subpaths/v/app/0", Point: "/v"}}
			},
			want: []string{"restricted, declared privileged..restricted", "unverified: HostPath Volumes, Host Probes / Lifecycle Hooks, Volume Types"},
		},
		"another pod's volume": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				request, _ := own(c)
				request.Mounts = []inventory.Mount{{Source: "/var/lib/kubelet/pods/other/volumes/kubernetes.io~secret/s", Point: "/v"}}
			},
			want: []string{"privileged, declared privileged..restricted", "baseline: HostPath Volumes: app: /var/lib/kubelet/pods/other/volumes/kubernetes.io~secret/s", onlyProbes},
		},
		"a driver's volume": {
			pod: func(p *corev1.Pod) {
				p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{}}}}
			},
			want: []string{"restricted, declared baseline..restricted", "unverified: Host Probes / Lifecycle Hooks, Volume Types"},
		},
		"a git repository": {
			pod: func(p *corev1.Pod) {
				p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{GitRepo: &corev1.GitRepoVolumeSource{}}}}
			},
			want: []string{"baseline, declared baseline..baseline", "restricted: Volume Types: app: gitRepo at /volumes/v", onlyProbes},
		},
		"the host's mount namespace": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				c.Processes[0].Groups[0].Namespaces = namespaces(1, nsinspect.Mnt, nsinspect.User)
			},
			want: []string{"privileged, declared baseline..restricted, lowered", "baseline: HostPath Volumes: app: the host's mounts (PID 1000)", onlyProbes},
		},
		"the host's root directory": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Processes[0].HostRoot = true },
			want:   []string{"privileged, declared baseline..restricted, lowered", "baseline: HostPath Volumes: app: the host's root directory (PID 1000)", onlyProbes},
		},
		"a disk of the host that was mounted later": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				c.Mounts.Host = []nsinspect.Mount{{Root: "/", Point: "/mnt"}}
			},
			want: []string{"privileged, declared baseline..restricted, lowered", "baseline: HostPath Volumes: app: /mnt, which was not asked for", onlyProbes},
		},
		"a disk of the host that was mounted over a file of the kubelet's": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				own := "/var/lib/kubelet/pods/" + c.Pod.UID + "/etc-hosts"
				c.Mounts.Host = []nsinspect.Mount{{Root: own, Point: "/etc/hosts"}, {Root: "/", Point: "/etc/hosts"}}
			},
			want: []string{"privileged, declared baseline..restricted, lowered", "baseline: HostPath Volumes: app: /etc/hosts, which was not asked for", onlyProbes},
		},
		"a disk of the host that was mounted below a volume": {
			pod: func(p *corev1.Pod) {
				p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
			},
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				own := "/var/lib/kubelet/pods/" + c.Pod.UID + "/volumes/kubernetes.io~empty-dir/v"
				c.Mounts.Host = []nsinspect.Mount{{Root: own, Point: "/volumes/v"}, {Root: "/", Point: "/volumes/v/disk"}}
			},
			want: []string{"privileged, declared baseline..restricted, lowered", "baseline: HostPath Volumes: app: /volumes/v/disk, which was not asked for", onlyProbes},
		},
		"a server's files below a volume": {
			pod: func(p *corev1.Pod) {
				p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
			},
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				c.Mounts.Host = []nsinspect.Mount{{Root: "/", Point: "/volumes/v/share", FSType: "nfs4"}}
			},
			want: []string{"restricted, declared baseline..restricted", onlyProbes},
		},
		"a part of a volume, mounted once more": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				own := "/var/lib/kubelet/pods/" + c.Pod.UID + "/etc-hosts"
				c.Mounts.Host = []nsinspect.Mount{{Root: own, Point: "/etc/hosts"}, {Root: own + "/a", Point: "/mnt"}}
			},
			want: []string{"restricted, declared baseline..restricted", onlyProbes},
		},
		"more than a volume, mounted once more": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				own := "/var/lib/kubelet/pods/" + c.Pod.UID + "/etc-hosts"
				c.Mounts.Host = []nsinspect.Mount{{Root: own, Point: "/etc/hosts"}, {Root: "/var/lib/kubelet/pods", Point: "/mnt"}}
			},
			want: []string{"privileged, declared baseline..restricted, lowered", "baseline: HostPath Volumes: app: /mnt, which was not asked for", onlyProbes},
		},
		"mounts that were asked for": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				c.Mounts.Host = []nsinspect.Mount{
					{Root: "/var/lib/kubelet/pods/" + c.Pod.UID + "/etc-hosts", Point: "/etc/hosts"},
					{Root: "/", Point: "/run/secrets/kubernetes.io/serviceaccount"}, // Its image has a link from /var/run.
					{Root: "/containers/app/0a1b2c3d", Point: "/dev/pts/log"},
					{Root: "/", Point: "/dev/shm"},
				}
			},
			want: []string{"restricted, declared baseline..restricted", onlyProbes},
		},
		"a port of the host": {
			pod: func(p *corev1.Pod) {
				p.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 8080, ContainerPort: 80}}
			},
			want: []string{"privileged, declared privileged..privileged", "baseline: Host Ports: app: 8080/TCP", onlyProbes},
		},
		"a port that nobody declared": {
			change: func(snap *snapshot.Snapshot, _ *snapshot.Container) {
				snap.Containers[0].Forwards = []snapshot.Forward{{Forward: nstest.Forward(9090)}}
			},
			want: []string{"privileged, declared baseline..restricted, lowered", "baseline: Host Ports: : 9090/TCP", onlyProbes},
		},
		"rules that were not read": {
			change: func(snap *snapshot.Snapshot, _ *snapshot.Container) {
				snap.Containers[0].Unread.Forwards = []snapshot.Gap{{Cause: snapshot.CauseDenied}}
			},
			want: []string{"restricted, declared baseline..restricted", "unverified: Host Ports, Host Probes / Lifecycle Hooks"},
		},
		"ports that were not read": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Declared.PortsDetail = "x" },
			want:   []string{"restricted, declared privileged..restricted", "unverified: Host Ports, Host Probes / Lifecycle Hooks"},
		},
		"AppArmor, a profile that only complains": {
			module: nsinspect.AppArmor,
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Credentials[0].Label.Mode = "complain" },
			want:   []string{"privileged, declared baseline..restricted, lowered", "baseline: AppArmor: app: cri-containerd.apparmor.d in complain mode (PID 1000)", onlyProbes},
		},
		"AppArmor, unconfined": {
			module: nsinspect.AppArmor,
			pod: func(p *corev1.Pod) {
				p.Spec.Containers[0].SecurityContext.AppArmorProfile = &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
			},
			want: []string{"privileged, declared privileged..privileged", "baseline: AppArmor: app: unconfined (PID 1000)", onlyProbes},
		},
		"AppArmor, still the runtime's own process": {
			module: nsinspect.AppArmor,
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				c.Credentials[0].Label = &nsinspect.Label{Module: nsinspect.AppArmor, Name: nsinspect.Unconfined}
				c.Processes[0].Credentials[0].Unconfirmed = inventory.AnyWeakness
			},
			want: []string{"restricted, declared baseline..restricted", onlyProbes},
		},
		"AppArmor, weak in another way for a moment": {
			module: nsinspect.AppArmor,
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				c.Credentials[0].Label = &nsinspect.Label{Module: nsinspect.AppArmor, Name: nsinspect.Unconfined}
				c.Processes[0].Credentials[0].Unconfirmed = inventory.IsRoot
			},
			want: []string{"privileged, declared baseline..restricted, lowered", "baseline: AppArmor: app: unconfined (PID 1000)", onlyProbes},
		},
		"AppArmor, not read": {
			module: nsinspect.AppArmor,
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Credentials[0].Label = nil },
			want:   []string{"restricted, declared baseline..restricted", "unverified: Host Probes / Lifecycle Hooks, AppArmor"},
		},
		"AppArmor, which the runtime does not use": {
			module: nsinspect.AppArmor,
			change: func(snap *snapshot.Snapshot, c *snapshot.Container) {
				for i := range snap.Containers {
					snap.Containers[i].Security.Spec.AppArmor = ""
				}
				c.Credentials[0].Label = &nsinspect.Label{Module: nsinspect.AppArmor, Name: nsinspect.Unconfined}
			},
			want: []string{"restricted, declared baseline..restricted", onlyProbes},
		},
		"SELinux, a type of the pod's": {
			module: nsinspect.SELinux,
			pod: func(p *corev1.Pod) {
				p.Spec.Containers[0].SecurityContext.SELinuxOptions = &corev1.SELinuxOptions{Type: "spc_t"}
			},
			want: []string{"privileged, declared privileged..privileged", "baseline: SELinux: app: system_u:system_r:spc_t:s0:c1,c2 (PID 1000)", onlyProbes},
		},
		"/proc uncovered": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Mounts.Exposed = []string{"/proc/keys"} },
			want:   []string{"privileged, declared baseline..restricted, lowered", "baseline: /proc Mount Type: app: /proc/keys not covered", onlyProbes},
		},
		"/proc unmasked in a user namespace": {
			pod: func(p *corev1.Pod) {
				p.Spec.HostUsers = new(false)
				p.Spec.Containers[0].SecurityContext.ProcMount = new(corev1.UnmaskedProcMount)
			},
			want: []string{"baseline, declared baseline..baseline", "restricted: /proc Mount Type: app: unmasked", onlyProbes},
		},
		"mounts that were not read": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Mounts = nil },
			want:   []string{"restricted, declared baseline..restricted", "unverified: HostPath Volumes, Host Probes / Lifecycle Hooks, /proc Mount Type"},
		},
		"no seccomp profile": {
			pod: func(p *corev1.Pod) { p.Spec.Containers[0].SecurityContext.SeccompProfile = nil },
			want: []string{
				"baseline, declared privileged..baseline",
				"restricted: Seccomp: app: the runtime was given no profile",
				"unverified: Host Probes / Lifecycle Hooks, Seccomp",
			},
		},
		"no seccomp profile, and a filter of the program's": {
			pod:    func(p *corev1.Pod) { p.Spec.Containers[0].SecurityContext.SeccompProfile = nil },
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Credentials[0].Seccomp = nsinspect.SeccompFilter },
			want: []string{
				"baseline, declared privileged..baseline",
				"restricted: Seccomp: app: the runtime was given no profile",
				"unverified: Host Probes / Lifecycle Hooks, Seccomp",
			},
		},
		"a profile that allows everything": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				_, spec := own(c)
				spec.Seccomp, spec.SeccompAllowsAll = false, true
			},
			want: []string{"baseline, declared baseline..restricted", "restricted: Seccomp: app: the profile allows every system call", onlyProbes},
		},
		"a process without the filter": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				c.Credentials[0].Seccomp = nsinspect.SeccompDisabled
			},
			want: []string{
				"baseline, declared baseline..restricted",
				"restricted: Seccomp: app: no filter (PID 1000)",
				"unverified: Host Probes / Lifecycle Hooks, Seccomp",
			},
		},
		"a process that looked as if it had no filter": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				c.Credentials[0].Seccomp = nsinspect.SeccompDisabled
				c.Processes[0].Credentials[0].Unconfirmed = inventory.NoFilter
			},
			want: []string{"restricted, declared baseline..restricted", onlyProbes},
		},
		"a kernel that shows neither seccomp nor no_new_privs": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				c.Credentials[0].Known, c.Credentials[0].NoNewPrivileges, c.Credentials[0].Seccomp = 0, false, 0
			},
			want: []string{"restricted, declared baseline..restricted", "unverified: Host Probes / Lifecycle Hooks, Seccomp, Privilege Escalation"},
		},
		"a sysctl": {
			pod: func(p *corev1.Pod) {
				p.Spec.SecurityContext = &corev1.PodSecurityContext{Sysctls: []corev1.Sysctl{{Name: "net.core.somaxconn", Value: "1"}, {Name: "net.ipv4.tcp_rmem", Value: "1"}}}
			},
			want: []string{"privileged, declared privileged..privileged", "baseline: Sysctls: app: net.core.somaxconn", onlyProbes},
		},
		"a thread without no_new_privs": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) {
				other := c.Credentials[0]
				other.NoNewPrivileges = false
				c.Credentials = append(c.Credentials, other)
				c.Processes[0].Credentials = append(c.Processes[0].Credentials, snapshot.CredentialGroup{Set: 1, Threads: 1, TIDs: []int{1001}})
			},
			want: []string{"baseline, declared baseline..restricted", "restricted: Privilege Escalation: app: no_new_privs is not set (PID 1000)", onlyProbes},
		},
		"a saved user id of root": {
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Credentials[0].UIDs.Saved = 0 },
			want:   []string{"baseline, declared baseline..restricted", "restricted: Running as Non-root: app: uid 0 (PID 1000)", onlyProbes},
		},
		"root of its own user namespace": {
			pod: func(p *corev1.Pod) {
				p.Spec.HostUsers = new(false)
				p.Spec.Containers[0].SecurityContext.RunAsUser = new(int64(0))
			},
			want: []string{"restricted, declared baseline..restricted", onlyProbes},
		},
		"root of the host in a pod with a user namespace": {
			pod:    func(p *corev1.Pod) { p.Spec.HostUsers = new(false) },
			change: func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Credentials[0].UIDs.Effective = 0 },
			want:   []string{"baseline, declared baseline..restricted", "restricted: Running as Non-root: app: uid 0 (PID 1000)", onlyProbes},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := restricted()
			if test.pod != nil {
				test.pod(pod)
			}
			node := fakeNode{module: test.module}
			snap := node.run(pod)
			if test.change != nil {
				test.change(snap, app(snap))
			}
			if diff := cmp.Diff(test.want, lines(&level.Of(snap)[0])); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestUnread has what was not read: a level that was not seen is not given, and what was found
// stands.
func TestUnread(t *testing.T) {
	t.Parallel()
	denied := []snapshot.Gap{{Cause: snapshot.CauseDenied, Detail: "denied"}}
	const threads = "Host Namespaces, Capabilities, Host Probes / Lifecycle Hooks, Seccomp, Privilege Escalation, Running as Non-root"
	const bySpec = "Privileged Containers, HostPath Volumes, Host Probes / Lifecycle Hooks, /proc Mount Type, Seccomp, Sysctls, Volume Types"
	tests := map[string]struct {
		change func(*snapshot.Snapshot, *snapshot.Container)
		want   []string
	}{
		"a process": {
			func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Unread.Security = denied },
			[]string{"unknown, declared baseline..restricted", "unverified: " + threads},
		},
		"namespaces, and something was found": {
			func(_ *snapshot.Snapshot, c *snapshot.Container) {
				c.Unread.Gaps = denied
				c.Credentials[0].Bounding = netAdmin
			},
			[]string{"privileged, declared baseline..restricted, lowered", "baseline: Capabilities: app: NET_ADMIN (PID 1000)", "unverified: " + threads},
		},
		"a process, and something small was found": {
			func(_ *snapshot.Snapshot, c *snapshot.Container) {
				c.Unread.Security = denied
				c.Credentials[0].Bounding = chown
			},
			[]string{"unknown, declared baseline..restricted", "restricted: Capabilities: app: CHOWN (PID 1000)", "unverified: " + threads},
		},
		"credentials": {
			func(_ *snapshot.Snapshot, c *snapshot.Container) {
				c.Credentials, c.Processes[0].Credentials = nil, nil
			},
			[]string{"unknown, declared baseline..restricted", "unverified: " + threads},
		},
		"the spec": {
			func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Security = nil },
			[]string{"unknown, declared unknown..unknown", "unverified: " + bySpec},
		},
		"a part of the spec": {
			func(_ *snapshot.Snapshot, c *snapshot.Container) {
				own(c)
				c.Security.Detail = "too many mounts"
			},
			[]string{"unknown, declared unknown..unknown", "unverified: " + bySpec},
		},
		"the declaration": {
			func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Declared = inventory.NoDeclaration("x") },
			[]string{"restricted, declared unknown..unknown", onlyProbes},
		},
		"more mounts than are kept": {
			func(_ *snapshot.Snapshot, c *snapshot.Container) { c.Mounts.MoreHost = 1 },
			[]string{"unknown, declared baseline..restricted", "unverified: HostPath Volumes, Host Probes / Lifecycle Hooks"},
		},
		"a namespace of the host": {
			func(snap *snapshot.Snapshot, _ *snapshot.Container) {
				snap.Host.Namespaces.Set(nsinspect.IPC, nsinspect.ID{})
			},
			[]string{"unknown, declared baseline..restricted", "unverified: Host Namespaces, Host Probes / Lifecycle Hooks"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			snap := new(fakeNode).run(restricted())
			test.change(snap, app(snap))
			if diff := cmp.Diff(test.want, lines(&level.Of(snap)[0])); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestPods has what a pod is made of.
func TestPods(t *testing.T) {
	t.Parallel()
	pod := restricted()
	weak := *pod.Spec.Containers[0].DeepCopy()
	weak.Name, weak.SecurityContext.AllowPrivilegeEscalation = "weak", nil
	pod.Spec.Containers = append(pod.Spec.Containers, weak)
	setup := *pod.Spec.Containers[0].DeepCopy()
	setup.Name, setup.SecurityContext.Capabilities.Add = "setup", []corev1.Capability{"NET_ADMIN"}
	pod.Spec.InitContainers = []corev1.Container{setup}
	early := restricted()
	early.Namespace = "a"
	snap := new(fakeNode).run(pod, early)
	snap.Containers = append(snap.Containers, snapshot.Container{Container: inventory.Container{ID: "no-pod"}})
	again := snap.Containers[1].Container // One that has crashed, and was started again.
	again.ID, again.Status, again.Security = "again", inventory.Stopped, nil
	gone := again // One of a pod of which nothing runs.
	gone.Pod = &inventory.Pod{Namespace: "default", Name: "job", UID: "job"}
	snap.Ended = append(snap.Ended, again, gone, inventory.Container{ID: "no-pod-either"})

	var got []string
	for _, pod := range level.Of(snap) {
		got = append(got, pod.Pod.Namespace+"/"+pod.Pod.Name)
		got = append(got, lines(&pod)...)
		for _, container := range pod.Containers {
			got = append(got, fmt.Sprintf("  %s %s", container.Container.Name, container.Enforced))
		}
	}
	want := []string{
		"a/p", "restricted, declared baseline..restricted", onlyProbes, "  app restricted",
		"default/p", "privileged, declared privileged..privileged",
		"baseline: Capabilities: setup: NET_ADMIN (by its spec: it has ended)",
		"restricted: Privilege Escalation: weak: no_new_privs is not set (PID 1001)",
		onlyProbes, "  app restricted", "  setup privileged", "  weak baseline",
		"zz-other/other", "baseline, declared privileged..baseline",
		"restricted: Capabilities: c: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP and 5 more (PID 3000)",
		"restricted: Privilege Escalation: c: no_new_privs is not set (PID 3000)",
		"restricted: Running as Non-root: c: uid 0 (PID 3000)",
		"restricted: Seccomp: c: the runtime was given no profile",
		"unverified: Host Probes / Lifecycle Hooks, Seccomp", "  c baseline",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	snap.HostSecurity = nil
	if pods := level.Of(snap); pods != nil {
		t.Errorf("without the host's security context: %+v", pods)
	}
}

// A runtime without an inventory knows a pod's UID only.
func TestPodsByCgroup(t *testing.T) {
	t.Parallel()
	snap := new(fakeNode).run(restricted())
	snap.Containers = nil
	for _, uid := range []string{"b", "a"} {
		container := snapshot.Container{Container: inventory.Container{
			ID: "id-" + uid, Pod: &inventory.Pod{UID: uid}, Status: inventory.Unknown, Declared: inventory.NoDeclaration("x"),
		}}
		container.Credentials = []snapshot.Credentials{{Credentials: nsinspect.Credentials{Bounding: sysAdmin}}}
		container.Processes = []snapshot.Process{{PID: 7, Credentials: []snapshot.CredentialGroup{{Threads: 1}}}}
		if uid == "a" {
			container.Credentials[0].Bounding = 0
		}
		snap.Containers = append(snap.Containers, container)
	}
	pods := level.Of(snap)
	if len(pods) != 2 || pods[0].Enforced != level.Unknown || pods[1].Enforced != level.Privileged {
		t.Fatalf("%+v", pods)
	}
	if v := pods[1].Violations[0]; v.Container != "id-b" || v.Detail != "SYS_ADMIN (PID 7)" {
		t.Errorf("%+v", v)
	}
}

func TestBelow(t *testing.T) {
	t.Parallel()
	var below []string
	for _, a := range level.Levels() {
		for _, b := range level.Levels() {
			if a.Below(b) {
				below = append(below, string(a)+" "+string(b))
			}
		}
	}
	if want := []string{"privileged baseline", "privileged restricted", "baseline restricted"}; !slices.Equal(below, want) {
		t.Errorf("Below is true of %v, want %v", below, want)
	}
}

// BenchmarkOf judges a node with as many pods as a kubelet takes, of three containers each.
func BenchmarkOf(b *testing.B) {
	pod := restricted()
	weak := corev1.Container{Name: "weak", Ports: []corev1.ContainerPort{{HostPort: 80}}}
	pod.Spec.Containers = append(pod.Spec.Containers, weak, *pod.Spec.Containers[0].DeepCopy())
	pod.Spec.Containers[2].Name = "sidecar"
	pods := make([]*corev1.Pod, 110)
	for i := range pods {
		pods[i] = pod.DeepCopy()
		pods[i].Name = fmt.Sprint("p", i)
	}
	snap := new(fakeNode).run(pods...)
	for i := range snap.Containers {
		if c := &snap.Containers[i]; !c.Sandbox {
			for range 9 {
				c.Processes = append(c.Processes, c.Processes[0])
			}
		}
	}
	if got := level.Of(snap)[0].Violations[0].Detail; got != fmt.Sprint("80/", socket.TCP) {
		b.Fatal(got)
	}
	b.ReportAllocs()
	for b.Loop() {
		level.Of(snap)
	}
}
