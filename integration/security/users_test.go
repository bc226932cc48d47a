// SPDX-License-Identifier: Apache-2.0

//go:build integration

package security_test

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// guest is the posture of a pod that asks for user 405 and nothing else.
func guest(more ...string) []string { return append(more, escalation, unfiltered, imageGroup) }

// userRows have other users and groups than a pod that asks for nothing.
func userRows(n *node) []row {
	return append(groupRows(n), []row{
		{
			name:    "row 1: the chapter's pod",
			posture: plain(), level: v1alpha1.LevelBaseline,
			evidence: map[string]evidence{root: {actual: []string{"uid 0"}}},
		},
		{
			name: "row 2: runAsUser 405", image: usersImage, security: runtimetest.User(405),
			shows:   every(hasUID(405)),
			posture: guest(), level: v1alpha1.LevelBaseline,
			evidence: map[string]evidence{imageGroup: {actual: []string{"gid 10"}}},
		},
		{
			name: "row 3: runAsNonRoot", image: usersImage, security: &corev1.SecurityContext{RunAsNonRoot: new(true)},
			shows:   every(hasUID(405)),
			posture: guest(), level: v1alpha1.LevelBaseline,
		},
		{
			name: "row 6: restricted", image: usersImage, security: restricted(),
			shows: every(func(t thread) bool { return t.NoNewPrivileges && t.Filters == 1 && t.Holds() == 0 }),
			level: v1alpha1.LevelRestricted,
		},
		{
			name: "row 7: restricted but for no_new_privs", image: usersImage, security: with(restricted(), func(s *corev1.SecurityContext) {
				s.AllowPrivilegeEscalation = nil
			}),
			posture: []string{escalation}, level: v1alpha1.LevelBaseline,
		},
	}...)
}

func groupRows(n *node) []row {
	groups := func(policy corev1.SupplementalGroupsPolicy) *corev1.PodSecurityContext {
		return &corev1.PodSecurityContext{
			RunAsUser: new(int64(405)), RunAsGroup: new(int64(3000)), FSGroup: new(int64(2000)), SupplementalGroups: []int64{4000}, SupplementalGroupsPolicy: &policy,
		}
	}
	has := func(ids ...uint32) func([]thread) bool {
		return every(func(t thread) bool { return slices.Equal(t.Groups, ids) })
	}
	// containerd 1.6 does not know the policy, and keeps no record of it.
	strictly, strict := has(2000, 3000, 4000), []string{escalation, unfiltered}
	if n.old() {
		strictly, strict = has(10, 2000, 3000, 4000), guest()
	}
	return []row{
		{
			name: "row 4: groups", image: usersImage, pod: runtimetest.PodSpec{Security: groups(corev1.SupplementalGroupsPolicyMerge)},
			shows:   has(10, 2000, 3000, 4000),
			posture: guest(),
		},
		{
			name: "row 5: groups, strictly", image: usersImage, pod: runtimetest.PodSpec{Security: groups(corev1.SupplementalGroupsPolicyStrict)},
			shows: strictly, posture: strict,
		},
		{
			name: "row 26: gives its groups up", pod: runtimetest.PodSpec{Security: &corev1.PodSecurityContext{FSGroup: new(int64(2000))}},
			command:  []string{"/bin/act", "groups:", "gid:999", "uid:999", "exec", "/bin/sleep"},
			shows:    both(every(hasUID(999)), has()),
			findings: []string{"GroupsNotInEffect"},
			posture:  guest(),
			evidence: map[string]evidence{"GroupsNotInEffect": {declared: []string{"gid 2000"}}},
		},
	}
}

// rootRows have a process that is root, though not of the pod's own accord.
func rootRows() []row {
	const undeclared = "UndeclaredRootUser"
	guestPod := func(r row) row {
		r.image, r.security, r.level = usersImage, runtimetest.User(405), v1alpha1.LevelBaseline
		if r.posture == nil {
			r.posture = guest()
		}
		return r
	}
	return []row{
		guestPod(row{
			name:     "row 15: setuid copy in a 405 container",
			command:  []string{"/bin/act", "start", "/bin/suid-act"},
			shows:    both(some(hasUID(0)), some(hasUID(405))),
			findings: []string{undeclared},
			evidence: map[string]evidence{undeclared: {declared: []string{"uid 405"}}},
		}),
		{
			name: "row 16: setuid copy where nobody gains privileges", image: usersImage,
			security: &corev1.SecurityContext{RunAsUser: new(int64(405)), AllowPrivilegeEscalation: new(false)},
			command:  []string{"/bin/act", "start", "/bin/suid-act"},
			shows:    both(every(hasUID(405)), processes(2)),
			posture:  []string{unfiltered, imageGroup},
		},
		{
			name: "row 17: file capabilities", image: usersImage, security: runtimetest.User(1000),
			command:  []string{"/bin/cap-act"},
			shows:    every(func(t thread) bool { return t.UIDs.Effective == 1000 && t.Effective != 0 }),
			findings: []string{"PrivilegesGained"}, posture: []string{escalation, unfiltered},
			evidence: map[string]evidence{"PrivilegesGained": {actual: []string{"NET_RAW"}}},
		},
		guestPod(row{
			name:    "row 18: kubectl exec",
			happens: func(n *node, pod *runtimetest.Pod) { n.ExecSync(n.t, pod.Containers[0], "/bin/sleep", "9999999") },
			shows:   both(every(hasUID(405)), processes(2)),
		}),
		guestPod(row{
			name:     "row 19: ctr task exec --user 0",
			happens:  func(n *node, pod *runtimetest.Pod) { n.Exec(n.t, pod.Containers[0], asRoot) },
			shows:    both(some(hasUID(0)), processes(2)),
			findings: []string{undeclared},
		}),
		guestPod(row{
			name:     "ctr task exec --user 1000",
			happens:  func(n *node, pod *runtimetest.Pod) { n.Exec(n.t, pod.Containers[0], asUser(1000)) },
			shows:    both(some(hasUID(1000)), processes(2)),
			findings: []string{"UndeclaredUser"},
			evidence: map[string]evidence{"UndeclaredUser": {actual: []string{"uid 1000"}, declared: []string{"uid 405"}}},
		}),
		guestPod(row{
			name:     "an exec with another group",
			happens:  func(n *node, pod *runtimetest.Pod) { n.Exec(n.t, pod.Containers[0], inGroup(4000)) },
			shows:    both(some(func(t thread) bool { return slices.Contains(t.Groups, 4000) }), processes(2)),
			findings: []string{"UndeclaredGroups"},
			evidence: map[string]evidence{"UndeclaredGroups": {actual: []string{"gid 4000"}}},
		}),
		guestPod(row{
			name:     "row 22: threads that are root in a 405 process",
			command:  []string{"/bin/suid-act", "uid:405"},
			shows:    leader(func(t thread) bool { return !t.UIDs.Has(0) }),
			findings: []string{undeclared},
			evidence: map[string]evidence{undeclared: {some: true}},
		}),
		guestPod(row{
			name:     "row 24: the leader has ended, and its threads are root",
			command:  []string{"/bin/suid-act", "uid:405", "end-leader"},
			shows:    leader(func(t thread) bool { return !t.UIDs.Has(0) }),
			findings: []string{undeclared},
		}),
		{
			name:    "row 25: a saved uid 0, and root was declared",
			command: []string{"/bin/act", "all-uid:405,405,0"},
			shows:   every(func(t thread) bool { return t.UIDs.Effective == 405 && t.UIDs.Saved == 0 }),
			posture: plain(),
		},
		{
			name:    "row 23: threads with less",
			command: []string{"/bin/act", "thread", "nnp", "filters:2", "thread", "no-caps"},
			shows:   both(some(func(t thread) bool { return t.Filters == 2 && t.NoNewPrivileges }), some(func(t thread) bool { return t.Effective == 0 })),
			posture: plain(),
		},
	}
}
