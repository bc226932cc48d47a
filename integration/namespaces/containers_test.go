// SPDX-License-Identifier: Apache-2.0

//go:build integration

package namespaces_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// ownNamespaces are those that a container usually has of its own.
const ownNamespaces = unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC

// undeclared are the reasons of these checks where nothing is known of what was asked for.
func undeclared(checks ...audit.Check) map[audit.Check]string {
	reasons := make(map[audit.Check]string)
	for _, check := range checks {
		reasons[check] = "Undeclared" + string(check)
	}
	return reasons
}

// reasonsOf returns the reasons of a container's findings and checks what they have in common.
func reasonsOf(t *testing.T, snap *snapshot.Snapshot, id string) map[audit.Check]string {
	t.Helper()
	reasons := make(map[audit.Check]string)
	for check, finding := range findingsOf(t, snap, id) {
		reasons[check] = finding.Reason()
		if finding.DeclaredBy != inventory.ByUnknown {
			t.Errorf("%s is declared by %s, want %s", check, finding.DeclaredBy, inventory.ByUnknown)
		}
		evidence := evidenceOf(t, finding)
		if host, ok := snap.Host.Namespaces.Get(evidence.Kind); !ok || evidence.Namespace != host {
			t.Errorf("%s names the namespace %v, the host's is %v", check, evidence.Namespace, host)
		}
	}
	return reasons
}

// What a container shares is found, and nothing else, whichever it shares.
func TestSharing(t *testing.T) {
	tests := map[string]struct {
		flags uintptr
		want  map[audit.Check]string
	}{
		"everything":  {0, undeclared(audit.HostNetwork, audit.HostPID, audit.HostIPC)},
		"the network": {unix.CLONE_NEWPID | unix.CLONE_NEWIPC, undeclared(audit.HostNetwork)},
		"pids":        {unix.CLONE_NEWNET | unix.CLONE_NEWIPC, undeclared(audit.HostPID)},
		"ipc":         {unix.CLONE_NEWNET | unix.CLONE_NEWPID, undeclared(audit.HostIPC)},
		"nothing":     {ownNamespaces, undeclared()},
		"all but what its user namespace owns": {
			unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWIPC, undeclared(audit.HostNetwork),
		},
		"nothing, in a user namespace": {unix.CLONE_NEWUSER | ownNamespaces, undeclared()},
	}
	fs := openProcfs(t)
	hostNamespaces(t, fs)
	for _, h := range hierarchies(t) {
		t.Run(h.name, func(t *testing.T) {
			// All at once: one scan must tell them apart.
			ids := make(map[string]string)
			pids := make(map[string]int)
			for name, test := range tests {
				id, dir := h.container(t)
				p := launch(t, launchOptions{role: role{Do: "block"}, flags: test.flags, cgroup: dir})
				p.ready()
				ids[name], pids[name] = id, p.pid
			}
			snap := takeScan(t, scanConfig(fs))
			for name, test := range tests {
				container := containerIn(snap, ids[name])
				if container == nil || len(container.Processes) != 1 || container.Processes[0].PID != pids[name] || len(container.Unread.Gaps) > 0 {
					t.Errorf("%s: container %+v, want one with process %d", name, container, pids[name])
				}
				if diff := cmp.Diff(test.want, reasonsOf(t, snap, ids[name])); diff != "" {
					t.Errorf("%s: -want +got:\n%s", name, diff)
				}
			}
		})
	}
}

// The names that runtimes give to cgroups, in the kernel's own words.
func TestRuntimesByCgroup(t *testing.T) {
	const uid = "1b4a6a2e-0c41-4f1e-9f4e-2f6f3f1d9a10"
	slice := "nsaudit-kubepods-besteffort-pod" + strings.ReplaceAll(uid, "-", "_") + ".slice"
	forms := map[string]struct{ path, runtime, podUID string }{
		"docker, cgroupfs":       {"docker/ID", "docker", ""},
		"docker, systemd":        {"nsaudit.slice/docker-ID.scope", "docker", ""},
		"docker, with systemd":   {"nsaudit.slice/docker-ID.scope/system.slice/x.service", "docker", ""},
		"containerd, systemd":    {"nsaudit.slice/" + slice + "/cri-containerd-ID.scope", "containerd", uid},
		"containerd, cgroupfs":   {"nsaudit/kubepods/besteffort/pod" + uid + "/ID", "cri", uid},
		"containerd, colons":     {"nsaudit/" + slice + ":cri-containerd:ID", "containerd", uid},
		"cri-o, systemd":         {"nsaudit.slice/" + slice + "/crio-ID.scope/container", "cri-o", uid},
		"nerdctl, systemd":       {"nsaudit.slice/nerdctl-ID.scope", "nerdctl", ""},
		"nerdctl, cgroupfs":      {"nsaudit/default/ID", "", ""},
		"podman, systemd":        {"nsaudit.slice/libpod-ID.scope/container", "podman", ""},
		"podman, in a unit":      {"nsaudit.slice/web.service/libpod-payload-ID", "podman", ""},
		"podman, a pod":          {"libpod_parent/" + strings.Repeat("0", 64) + "/libpod-ID", "podman", ""},
		"podman's monitor":       {"nsaudit.slice/libpod-conmon-ID.scope", "none", ""},
		"podman's pod's monitor": {"libpod_parent/ID/conmon", "none", ""},
	}
	fs := openProcfs(t)
	hostNamespaces(t, fs)
	for _, h := range hierarchies(t) {
		t.Run(h.name, func(t *testing.T) {
			ids := make(map[string]string)
			for name, form := range forms {
				ids[name] = newID(t)
				dir := h.cgroup(t, strings.ReplaceAll(form.path, "ID", ids[name]))
				launch(t, launchOptions{role: role{Do: "block"}, flags: unix.CLONE_NEWNET, cgroup: dir}).ready()
			}
			snap := takeScan(t, scanConfig(fs))
			for name, form := range forms {
				container := containerIn(snap, ids[name])
				if form.runtime == "none" {
					if container != nil {
						t.Errorf("%s was taken for a container: %+v", name, container)
					}
					continue
				}
				if container == nil {
					t.Errorf("%s was not recognised", name)
					continue
				}
				podUID := ""
				if container.Pod != nil {
					podUID = container.Pod.UID
				}
				if container.Runtime != form.runtime || podUID != form.podUID {
					t.Errorf("%s is %q of pod %q, want %q of %q", name, container.Runtime, podUID, form.runtime, form.podUID)
				}
				if diff := cmp.Diff(undeclared(audit.HostPID, audit.HostIPC), reasonsOf(t, snap, ids[name])); diff != "" {
					t.Errorf("%s: -want +got:\n%s", name, diff)
				}
			}
		})
	}
}

// The ways in which a process of a container can be somewhere else than its first thread.
func TestEscapes(t *testing.T) {
	hostNet := []string{nsPath(os.Getpid(), "net")}
	tests := map[string]struct {
		role  role
		flags uintptr
		want  map[audit.Check]string
		// tids says that the finding names the thread that the role printed, and child
		// that it names the role's child.
		tids, child bool
	}{
		"one thread of many in the host's network": {
			role:  role{Do: "threads", N: 50, Join: hostNet},
			flags: ownNamespaces,
			want:  undeclared(audit.HostNetwork),
			tids:  true,
		},
		"one thread of many out of the host's network": {
			role:  role{Do: "threads", N: 50, Unshare: unix.CLONE_NEWNET},
			flags: unix.CLONE_NEWPID | unix.CLONE_NEWIPC,
			want:  undeclared(audit.HostNetwork),
		},
		"a process that moved": {
			role:  role{Do: "become", Join: hostNet, Then: &role{Do: "block"}},
			flags: ownNamespaces,
			want:  undeclared(audit.HostNetwork),
		},
		"a child that entered": {
			role:  role{Do: "start", Join: []string{nsPath(os.Getpid(), "ipc"), hostNet[0]}, Then: &role{Do: "block"}},
			flags: ownNamespaces,
			want:  undeclared(audit.HostNetwork, audit.HostIPC),
			child: true,
		},
		"a process whose leader ended": {
			role: role{Do: "end leader"},
			want: undeclared(audit.HostNetwork, audit.HostPID, audit.HostIPC),
		},
		"the same, isolated": {
			role:  role{Do: "end leader"},
			flags: ownNamespaces,
			want:  undeclared(),
		},
	}
	fs := openProcfs(t)
	hostNamespaces(t, fs)
	for _, h := range hierarchies(t) {
		t.Run(h.name, func(t *testing.T) {
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					id, dir := h.container(t)
					p := launch(t, launchOptions{role: test.role, flags: test.flags, cgroup: dir})
					printed := p.ready()
					snap := takeScan(t, scanConfig(fs))
					if container := containerIn(snap, id); container == nil || len(container.Unread.Gaps) > 0 {
						t.Errorf("container %+v", container)
					}
					if diff := cmp.Diff(test.want, reasonsOf(t, snap, id)); diff != "" {
						t.Errorf("-want +got:\n%s", diff)
					}
					if !test.tids && !test.child {
						return
					}
					evidence := evidenceOf(t, findingsOf(t, snap, id)[audit.HostNetwork]).Processes
					if test.tids {
						want := []audit.ProcessEvidence{{PID: p.pid, Command: "exe", Threads: 1, TIDs: []int{hostTID(t, fs, p.pid, snap)}}}
						if diff := cmp.Diff(want, evidence); diff != "" {
							t.Errorf("the thread that calls itself %s -want +got:\n%s", printed, diff)
						}
					}
					if test.child && len(evidence) != 2 {
						t.Errorf("evidence %+v, want the process and its child", evidence)
					}
				})
			}
		})
	}
}

// hostTID looks through all threads for the one in the host's network. The thread itself
// knows its number in its own pid namespace only.
func hostTID(t *testing.T, fs *nsinspect.FS, pid int, snap *snapshot.Snapshot) int {
	t.Helper()
	process := openProcess(t, fs, pid)
	tids, err := process.Threads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tid := range tids {
		if id, err := process.ThreadNamespace(tid, nsinspect.Net); err == nil && id == idOf(t, snap.Host.Namespaces, nsinspect.Net) {
			return tid
		}
	}
	t.Fatalf("no thread of process %d is in the host's network", pid)
	return 0
}
