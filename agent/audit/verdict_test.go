// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
)

// TestReasonsAndSeverities has every kind of finding: the reasons are names that people script
// against, and a severity that warns makes an Event of type Warning.
func TestReasonsAndSeverities(t *testing.T) {
	t.Parallel()
	want := []string{
		"HostNetworkShared pod info", "HostNetworkShared spec info", "HostNetworkShared unknown medium WARNS",
		"UndeclaredHostNetwork nobody high WARNS", "UndeclaredHostNetwork unknown medium WARNS",
		"HostNetworkHeld nobody medium WARNS", "HostNetworkHeld unknown low",
		"HostNetworkNotInEffect pod low", "HostNetworkNotInEffect spec low", "HostNetworkNotInEffect unknown info",
		"HostPIDShared pod info", "HostPIDShared spec info", "HostPIDShared unknown high WARNS",
		"UndeclaredHostPID nobody critical WARNS", "UndeclaredHostPID unknown high WARNS",
		"HostPIDHeld nobody high WARNS", "HostPIDHeld unknown medium WARNS",
		"HostPIDNotInEffect pod low", "HostPIDNotInEffect spec low", "HostPIDNotInEffect unknown info",
		"HostIPCShared pod info", "HostIPCShared spec info", "HostIPCShared unknown medium WARNS",
		"UndeclaredHostIPC nobody high WARNS", "UndeclaredHostIPC unknown medium WARNS",
		"HostIPCHeld nobody medium WARNS", "HostIPCHeld unknown low",
		"HostIPCNotInEffect pod low", "HostIPCNotInEffect spec low", "HostIPCNotInEffect unknown info",
		"HostPortBound pod info", "HostPortBound spec info", "HostPortBound unknown low",
		"HostPortUnlisted pod low", "HostPortUnlisted spec low", "HostPortUnlisted unknown low",
		"UndeclaredHostPort nobody medium WARNS", "UndeclaredHostPort unknown low",
		"HostPortNotInEffect pod medium WARNS", "HostPortNotInEffect spec medium WARNS", "HostPortNotInEffect unknown low",
		"HostPortShadowsListener pod high WARNS", "HostPortShadowsListener spec high WARNS",
		"HostPortShadowsListener nobody high WARNS", "HostPortShadowsListener unknown medium WARNS",
		"HostPortHijacked nobody high WARNS", "HostPortHijacked unknown medium WARNS",
		"RunsAsRoot pod info", "RunsAsRoot spec info", "RunsAsRoot unknown info", "UndeclaredRootUser nobody high WARNS", "UndeclaredUser nobody low",
		"ImplicitGroups pod info", "ImplicitGroups spec info", "ImplicitGroups unknown info", "UndeclaredGroups nobody low", "GroupsNotInEffect pod low",
		"PrivilegedContainer pod info", "PrivilegedContainer spec info", "PrivilegedContainer unknown info", "UndeclaredPrivileged nobody critical WARNS",
		"CapabilitiesAdded pod info", "CapabilitiesAdded spec info", "CapabilitiesAdded unknown info", "UndeclaredCapabilities nobody high WARNS",
		"CapabilitiesNotInEffect pod low", "PrivilegeEscalationAllowed pod info", "PrivilegeEscalationAllowed spec info",
		"PrivilegeEscalationAllowed unknown info", "UndeclaredPrivilegeEscalation nobody medium WARNS", "PrivilegesGained nobody low",
		"SeccompUnconfined pod info", "SeccompUnconfined spec info", "SeccompUnconfined unknown info", "UndeclaredSeccompUnconfined nobody high WARNS",
		"SeccompNotInEffect pod low", "AppArmorUnconfined pod info", "AppArmorUnconfined spec info", "AppArmorUnconfined unknown info",
		"UndeclaredAppArmorUnconfined nobody high WARNS", "AppArmorNotInEffect pod low", "SELinuxUnconfined pod info", "SELinuxUnconfined spec info",
		"SELinuxUnconfined unknown info", "UndeclaredSELinuxUnconfined nobody high WARNS", "SELinuxNotInEffect pod low", "HostUsersShared pod info",
		"HostUsersShared spec info", "HostUsersShared unknown medium WARNS", "UndeclaredHostUsers nobody high WARNS",
		"UndeclaredHostUsers unknown medium WARNS", "HostUTSShared pod info", "HostUTSShared spec info", "HostUTSShared unknown low",
		"UndeclaredHostUTS nobody medium WARNS", "UndeclaredHostUTS unknown low", "HostCgroupShared pod info", "HostCgroupShared spec info",
		"HostCgroupShared unknown info", "UndeclaredHostCgroup nobody low", "UndeclaredHostCgroup unknown info", "HostMountShared pod info",
		"HostMountShared spec info", "HostMountShared unknown high WARNS", "UndeclaredHostMount nobody critical WARNS",
		"UndeclaredHostMount unknown high WARNS", "HostMountHeld nobody high WARNS", "HostMountHeld unknown medium WARNS", "HostRootEntered pod info", "HostRootEntered spec info", "HostRootEntered unknown info",
		"UndeclaredHostRoot nobody critical WARNS", "RootFilesystemWritable pod info", "RootFilesystemWritable spec info",
		"RootFilesystemWritable unknown info", "UndeclaredWritableRoot nobody medium WARNS", "ProcUnmasked pod info", "ProcUnmasked spec info",
		"ProcUnmasked unknown info", "UndeclaredProcUnmasked nobody medium WARNS", "HostPathMounted pod info", "HostPathMounted spec info",
		"HostPathMounted unknown info", "UndeclaredHostPath nobody high WARNS", "HostDevices pod info", "HostDevices spec info", "HostDevices unknown info",
		"UnsafeSysctls pod info", "UnsafeSysctls spec info", "UnsafeSysctls unknown info", "SharedPropagation pod info", "SharedPropagation spec info",
		"SharedPropagation unknown info", "UserRangeShared nobody low", "PodSecurityLevelLowered nobody medium WARNS",
	}
	var got []string
	seen := make(map[Verdict]bool)
	for _, kind := range Kinds() {
		seen[kind.Verdict] = true
		line := fmt.Sprintf("%s %s %s", kind.Check.Reason(kind.Verdict), kind.DeclaredBy, kind.Severity)
		if kind.Severity.Warns() {
			line += " WARNS"
		}
		got = append(got, line)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(seen) != len(Verdicts()) {
		t.Errorf("the checks give %d of %d verdicts", len(seen), len(Verdicts()))
	}
}

// TestUnknownDeclarerWarns has sharing that looks declared, by a declaration that could not be
// read whole.
func TestUnknownDeclarerWarns(t *testing.T) {
	t.Parallel()
	declared := inventory.Declaration{By: inventory.ByUnknown, Host: []nsinspect.Kind{nsinspect.Net}}
	finding := Judge(snapshotOf(container("main", declared, process(11, hostNet, podPID, podIPC)))).Findings[0]
	if finding.Verdict != Shared || finding.Severity != Medium || finding.Undeclared() || !finding.UnknownOrigin() {
		t.Errorf("verdict %s, severity %s", finding.Verdict, finding.Severity)
	}
}

// TestDeferredAndAnonymous has findings that are not announced yet.
func TestDeferredAndAnonymous(t *testing.T) {
	t.Parallel()
	inHost := process(10, hostNet, podPID, podIPC)
	tests := map[string]struct {
		container           snapshot.Container
		source              string
		deferred, anonymous bool
	}{
		"a container":                            {container("main", byPod(nsinspect.Net), inHost), inventory.FromContainerd, false, false},
		"a pause container, declared":            {pause(byPod(nsinspect.Net), inHost), inventory.FromContainerd, true, false},
		"a pause container, undeclared":          {pause(byPod(), inHost), inventory.FromContainerd, false, false},
		"unknown to the runtime":                 {container("", inventory.NoDeclaration("x"), inHost), inventory.FromContainerd, false, false},
		"unknown, and no runtime was asked":      {container("", inventory.NoDeclaration("x"), inHost), inventory.FromCgroups, false, true},
		"unknown, while the runtime is away":     {container("", inventory.NoDeclaration("x"), inHost), inventory.FromMemory, false, false},
		"declared, and remembered by its cgroup": {container("main", byPod(nsinspect.Net), inHost), inventory.FromCgroups, false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := snapshotOf(test.container)
			s.Inventory.Source = test.source
			finding := Judge(s).Findings[0]
			if finding.Deferred != test.deferred || finding.Anonymous != test.anonymous {
				t.Errorf("deferred %t, anonymous %t", finding.Deferred, finding.Anonymous)
			}
		})
	}
}

// TestRanked has findings of each rank in the wrong order.
func TestRanked(t *testing.T) {
	t.Parallel()
	named := func(pod string, declared inventory.Declaration, net uint64) snapshot.Container {
		c := container("main", declared, process(11, net, podPID, podIPC))
		c.Pod = &inventory.Pod{Namespace: "default", Name: pod}
		return c
	}
	result := Judge(snapshotOf(
		named("a", byPod(nsinspect.Net), hostNet), named("b", byPod(nsinspect.Net), podNet), named("c", byPod(), hostNet),
		named("d", byPod(nsinspect.Net), hostNet), named("e", byPod(), hostNet),
	))
	var got []string
	for _, finding := range result.Ranked() {
		got = append(got, finding.Container.Pod.Name)
	}
	if diff := cmp.Diff([]string{"c", "e", "b", "a", "d"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// TestEvidenceOfPortsIsCountedWhole has more of everything than a finding names: what a cap
// leaves out is counted.
func TestEvidenceOfPortsIsCountedWhole(t *testing.T) {
	t.Parallel()
	const all = maxEvidence + 3
	var holders []snapshot.Holder
	var shadows []snapshot.Socket
	var containers []snapshot.Container
	for i := range all {
		holders = append(holders, snapshot.Holder{PID: 100 + i})
	}
	for range all {
		shadows = append(shadows, snapshot.Socket{Socket: nstest.Listener(80), Holders: holders, MoreHolders: 2})
	}
	for i := range all + 1 {
		containers = append(containers, snapshot.Container{
			Container: inventory.Container{ID: fmt.Sprint(i), Declared: inventory.Declaration{By: inventory.BySpec}},
			Sockets:   []snapshot.Socket{{Socket: nstest.Listener(8080), Holders: holders}, {Socket: nstest.Listener(8080), Holders: holders, MoreHolders: 4}},
		})
	}
	containers[0].Forwards = []snapshot.Forward{leads(80, shadows...)}
	containers[0].Forwards[0].MoreShadows = 5
	findings, _ := hostPort().Judge(&node{Snapshot: lookedAt(containers, &snapshot.PortCoverage{})})
	bound, forwarded := portsOf(findings[1]).Ports[1], portsOf(findings[0]).Ports[0]
	got := []int{
		len(bound.Processes), bound.MoreProcesses, len(bound.OtherContainers), bound.MoreOtherContainers,
		len(forwarded.Shadows), forwarded.MoreShadows, len(forwarded.Shadows[0].Processes), forwarded.Shadows[0].MoreProcesses,
	}
	if diff := cmp.Diff([]int{maxEvidence, 3 + 4, maxEvidence, 3, maxEvidence, 3 + 5, maxEvidence, 3 + 2}, got); diff != "" {
		t.Errorf("named and counted (-want +got):\n%s", diff)
	}
}
