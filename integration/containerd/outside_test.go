// SPDX-License-Identifier: Apache-2.0

//go:build integration

package containerd_test

import (
	"slices"
	"testing"

	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// outsideContexts are containers as ctr and nerdctl make them, and what is said of them.
func outsideContexts() map[string]struct {
	opts []oci.SpecOpts
	want []string
} {
	user := oci.WithUIDGID(405, 100)
	mounts := oci.WithMounts([]specs.Mount{
		{Type: "bind", Source: "/etc", Destination: "/host", Options: []string{"rbind", "ro"}},
	})
	return map[string]struct {
		opts []oci.SpecOpts
		want []string
	}{
		"plain":      {nil, []string{"RunsAsRoot spec uid 0"}},
		"user":       {[]oci.SpecOpts{user}, nil},
		"escalation": {[]oci.SpecOpts{user, oci.WithNewPrivileges}, []string{"PrivilegeEscalationAllowed spec no_new_privs 0"}},
		"capable":    {[]oci.SpecOpts{user, oci.WithAddedCapabilities([]string{"CAP_SYS_TIME"})}, []string{"CapabilitiesAdded spec SYS_TIME"}},
		"unmasked":   {[]oci.SpecOpts{user, oci.WithMaskedPaths(nil), oci.WithReadonlyPaths(nil)}, []string{"ProcUnmasked spec /proc"}},
		"host-path":  {[]oci.SpecOpts{user, mounts}, []string{"HostPathMounted spec /etc (sensitive)"}},
		"privileged": {[]oci.SpecOpts{oci.WithPrivileged, oci.WithAllDevicesAllowed, oci.WithHostDevices}, []string{"CapabilitiesAdded spec", "HostDevices spec every device", "PrivilegedContainer spec privileged", "ProcUnmasked spec /proc", "RunsAsRoot spec uid 0"}},
		"host-uts":   {[]oci.SpecOpts{user, oci.WithHostNamespace(specs.UTSNamespace)}, []string{"HostUTSShared spec"}},
	}
}

// TestContextsOutsidePods has containers of which nothing but the runtime spec says what was asked for.
func TestContextsOutsidePods(t *testing.T) {
	c := runtimetest.Start(t)
	command := build(t, c)
	var user runtimetest.Container
	for name, test := range outsideContexts() {
		container := c.RunContainer(t, "default", name, test.opts...)
		if name == "user" {
			user = container
		}
	}
	label(t, c, "plain", map[string]string{"nerdctl/name": "web", "nerdctl/namespace": "default"})
	scan := command.scan(t)
	all := []string{"HostCgroupShared spec", "SeccompUnconfined spec no filter"}
	if appArmor() {
		all = append(all, "AppArmorUnconfined spec unconfined")
	}
	for name, test := range outsideContexts() {
		want := slices.Sorted(slices.Values(slices.Concat(all, test.want)))
		if diff := cmp.Diff(want, contextOf(scan, name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}

	if i := slices.IndexFunc(scan.Containers, func(c v1alpha1.Container) bool { return c.ID == "plain" }); i < 0 || scan.Containers[i].Name != "web" {
		t.Errorf("nerdctl's name for container plain is not known: %+v", scan.Containers)
	}

	t.Run("weaker than its spec", func(t *testing.T) {
		pid := c.Exec(t, user, func(process *specs.Process) { process.User.UID = 0 })
		found := finding(t, command.scan(t), user.ID, "RootUser")
		if found.Reason != "UndeclaredRootUser" || found.DeclaredBy != "nobody" || found.Evidence.Processes[0].PID != pid {
			t.Errorf("finding %+v, want process %d as root", found, pid)
		}
	})
}

// label gives a container labels, as nerdctl does when it makes one.
func label(t *testing.T, c *runtimetest.Containerd, id string, labels map[string]string) {
	t.Helper()
	ctx := namespaces.WithNamespace(t.Context(), "default")
	container, err := c.Client(t).LoadContainer(ctx, id)
	if err == nil {
		_, err = container.SetLabels(ctx, labels)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// contextOf puts what is said of a container into lines: the reason, who declared it and what there is, if that is one
// thing.
func contextOf(scan *v1alpha1.Scan, id string) []string {
	var lines []string
	for _, f := range slices.Concat(scan.Findings, scan.Posture) {
		if f.Container.ID == id {
			line := f.Reason + " " + string(f.DeclaredBy)
			if len(f.Evidence.Actual) == 1 {
				line += " " + f.Evidence.Actual[0]
			}
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return lines
}
