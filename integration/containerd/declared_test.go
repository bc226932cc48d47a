// SPDX-License-Identifier: Apache-2.0

//go:build integration

package containerd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/inventory/containerd"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// runtimeDefaults are the capabilities that containerd gives a container.
const runtimeDefaults nsinspect.Capabilities = 0xa80425fb

// declaredPod is a pod, or a container without one, and what its record is to be decoded to.
type declaredPod struct {
	pod runtimetest.PodSpec
	// outside are the options of a container without a pod.
	outside []oci.SpecOpts
	// change makes of what a pod without settings has what this one has.
	change func(d *declared)
	// keep: it is a pod of its own, of which unit tests decode the records too.
	keep bool
}

// declared is what is decoded. Old is containerd 1.6, which knows less than it is told.
type declared struct {
	inventory.Security

	old bool
}

// everyCapability sets all sets that containerd sets.
func (d *declared) everyCapability(set nsinspect.Capabilities) {
	d.Spec.Bounding, d.Spec.Effective, d.Spec.Permitted = set, set, set
}

// TestDeclared compares what is decoded of the records of real containers with what their pods ask for.
func TestDeclared(t *testing.T) {
	c := runtimetest.Start(t)
	profiles := t.TempDir()
	refusing, allowing := filepath.Join(profiles, "refusing.json"), filepath.Join(profiles, "allowing.json")
	for file, text := range map[string]string{
		refusing: `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mount"],"action":"SCMP_ACT_ERRNO"}]}`,
		allowing: `{"defaultAction":"SCMP_ACT_ALLOW"}`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shared := c.RunPod(t, runtimetest.PodSpec{Name: "shared"})
	for name, test := range declaredPods(refusing, allowing) {
		t.Run(name, func(t *testing.T) {
			if test.outside != nil {
				container := c.RunContainer(t, "default", name, test.outside...)
				keepRecords(t, c, name, container)
				want := declaredOutside(c)
				test.change(&want)
				wantDeclared(t, c, container, want.Security)
				return
			}
			want := declaredByDefault(c)
			test.change(&want)
			if !test.keep { // A pod of its own for each takes minutes in an emulated machine.
				test.pod.Containers[0].Name = name
				wantDeclared(t, c, c.AddContainer(t, shared, test.pod.Containers[0]), want.Security)
				return
			}
			test.pod.Name = name
			pod := c.RunPod(t, test.pod)
			keepRecords(t, c, name, append([]runtimetest.Container{pod.Sandbox}, pod.Containers...)...)
			wantDeclared(t, c, pod.Container(t, "main"), want.Security)
		})
	}
}

// declaredByDefault is what a pod without settings has.
func declaredByDefault(c *runtimetest.Containerd) declared {
	masked := []string{
		"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
	}
	readOnly := []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
	d := declared{old: strings.HasPrefix(c.Version(), "1.")}
	d.Request = &inventory.SecurityRequest{
		User: new(uint32(0)), Seccomp: &inventory.Profile{Type: inventory.Unconfined}, Masked: masked, ReadOnlyPaths: readOnly,
	}
	d.Spec = &inventory.SecuritySpec{Groups: []uint32{0, 1, 10}, Masked: masked, ReadOnlyPaths: readOnly, Host: unlisted(cgroup2())}
	d.everyCapability(runtimeDefaults)
	if appArmor() {
		d.Spec.AppArmor = confinement
	}
	return d
}

// declaredOutside is what a container without a pod and without options has.
func declaredOutside(c *runtimetest.Containerd) declared {
	d := declaredByDefault(c)
	d.Request = nil
	d.Spec.NoNewPrivileges, d.Spec.AppArmor, d.Spec.Host = true, "", unlisted(false)
	d.Spec.Masked = []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/sys/devices/virtual/powercap", "/proc/scsi",
	}
	return d
}

// unlisted are the kinds that the runtime makes no namespaces of.
func unlisted(cgroup bool) []nsinspect.Kind {
	if cgroup {
		return []nsinspect.Kind{nsinspect.User, nsinspect.Time}
	}
	return []nsinspect.Kind{nsinspect.User, nsinspect.Cgroup, nsinspect.Time}
}

// cgroup2 reports whether there is cgroup v2 only, where containerd makes cgroup namespaces.
func cgroup2() bool {
	_, err := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	return err == nil
}

// wantDeclared compares what is known of a container. What the kubelet and the runtime mount on their own has paths that
// are different in each run.
func wantDeclared(t *testing.T, c *runtimetest.Containerd, container runtimetest.Container, want inventory.Security) {
	t.Helper()
	got := inventoryOf(t, c, container)
	ignoreMounts := cmp.Options{
		cmpopts.IgnoreFields(inventory.SecurityRequest{}, "Mounts"), cmpopts.IgnoreFields(inventory.SecuritySpec{}, "Mounts"),
	}
	if diff := cmp.Diff(&want, got.Security, ignoreMounts); diff != "" {
		t.Errorf("declared (-want +got):\n%s", diff)
	}
}

// inventoryOf returns what the list of all containers says of one.
func inventoryOf(t *testing.T, c *runtimetest.Containerd, container runtimetest.Container) inventory.Container {
	t.Helper()
	client, err := containerd.Connect(t.Context(), c.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	inv, all, err := client.List(t.Context())
	if err != nil || len(inv.Problems) > 0 {
		t.Fatalf("list the containers: %v, %v", err, inv.Problems)
	}
	for _, got := range all {
		if got.ID == container.ID {
			return got
		}
	}
	t.Fatalf("container %s is not in the list", container.ID)
	return inventory.Container{}
}

// TestDeclaredUsers has a pod with a user namespace. 1.6 records that, and ignores it.
func TestDeclaredUsers(t *testing.T) {
	c := runtimetest.Start(t)
	pod := c.RunPod(t, runtimetest.PodSpec{Name: "users", UserNamespace: true, FirstID: 131072})
	container := created(t, c, pod)
	old := strings.HasPrefix(c.Version(), "1.")
	for _, got := range []inventory.Container{inventoryOf(t, c, pod.Sandbox), inventoryOf(t, c, container)} {
		if request := got.Security.Request; got.Sandbox != (request == nil) || !got.Sandbox && !request.UserNamespace {
			t.Errorf("%s asks for %+v", got.Name, request)
		}
		ids := nsinspect.IDMap{{Inside: 0, Outside: 131072, Count: 65536}}
		want := nsinspect.IDMaps{UIDs: ids, GIDs: ids}
		if old {
			want = nsinspect.IDMaps{}
		}
		if diff := cmp.Diff(want, got.Security.Spec.Users); diff != "" {
			t.Errorf("ids of %q (-want +got):\n%s", got.Name, diff)
		}
		if got.Asks(nsinspect.User) != (old && got.Sandbox) {
			t.Errorf("%q asks for the host's users: %t", got.Name, got.Asks(nsinspect.User))
		}
	}
	keepRecords(t, c, "users", pod.Sandbox, container)
}

// created makes a container of a pod with a user namespace, and does not start it, which takes a runc that can map the
// ids of mounts. Its record is there all the same.
func created(t *testing.T, c *runtimetest.Containerd, pod *runtimetest.Pod) runtimetest.Container {
	t.Helper()
	ids := []*runtime.IDMapping{{HostId: 131072, Length: 65536}}
	options := &runtime.NamespaceOption{UsernsOptions: &runtime.UserNamespace{Uids: ids, Gids: ids}}
	response, err := c.Runtime().CreateContainer(t.Context(), &runtime.CreateContainerRequest{
		PodSandboxId: pod.Sandbox.ID,
		SandboxConfig: &runtime.PodSandboxConfig{
			Metadata: &runtime.PodSandboxMetadata{Name: pod.Spec.Name},
			Linux:    &runtime.LinuxPodSandboxConfig{SecurityContext: &runtime.LinuxSandboxSecurityContext{NamespaceOptions: options}},
		},
		Config: &runtime.ContainerConfig{
			Metadata: &runtime.ContainerMetadata{Name: "main"},
			Image:    &runtime.ImageSpec{Image: runtimetest.AlpineImage},
			Linux:    &runtime.LinuxContainerConfig{SecurityContext: &runtime.LinuxContainerSecurityContext{NamespaceOptions: options}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return runtimetest.Container{Namespace: runtimetest.CRINamespace, ID: response.GetContainerId(), Name: "main"}
}
