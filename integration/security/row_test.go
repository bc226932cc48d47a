// SPDX-License-Identifier: Apache-2.0

//go:build integration

package security_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/integration/internal/eventually"
	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// row is a pod of one container, what happens to it, and what nsaudit is to say about it.
type row struct {
	name string

	// The pod, and its container.
	pod      runtimetest.PodSpec
	image    string
	command  []string
	security *corev1.SecurityContext
	mounts   []*runtime.Mount

	// happens is what is done to the running pod.
	happens func(n *node, pod *runtimetest.Pod)
	// shows is what the kernel is to show before nsaudit looks: otherwise the row does not test what it says.
	shows func(threads []thread) bool

	// findings and posture are the reasons for the container, and with "pause: " before them for the pause container.
	findings, posture []string
	level             v1alpha1.Level // any unless set
	// declared is the interval of the levels that the declaration may have; any unless set.
	declared v1alpha1.LevelInterval
	// unknown is in the one reason why something of the pod is unknown; empty if nothing is.
	unknown string
	// evidence is checked for the reason.
	evidence map[string]evidence

	running *runtimetest.Pod
}

// evidence is what a finding is to name.
type evidence struct {
	actual   []string
	declared []string
	// threads are all there are to be, of the one process; 0 for any number.
	threads int
	// some are not all threads of the process, so they are named.
	some bool
}

// posture of most pods, under names that tell what the pod left out.
const (
	root       = "RunsAsRoot"
	escalation = "PrivilegeEscalationAllowed"
	unfiltered = "SeccompUnconfined"
	imageGroup = "ImplicitGroups"
)

// plain is the posture of a pod that asks for nothing and whose image is alpine's, plus what else is given.
func plain(more ...string) []string { return append(more, root, escalation, unfiltered, imageGroup) }

// container is the name of the one container of each pod.
const container = "main"

// start runs the pod and lets happen what happens to it.
func (r *row) start(t *testing.T, n *node) {
	t.Helper()
	spec := r.pod
	spec.Name = podName(r.name)
	spec.Containers = []runtimetest.ContainerSpec{
		{Name: container, Image: r.image, Command: r.command, Security: r.security, Mounts: r.mounts},
	}
	r.running = n.RunPod(t, spec)
	if r.happens != nil {
		r.happens(n, r.running)
	}
	main := r.running.Container(t, container)
	eventually.True(t, "the processes have done what they do", func() bool {
		threads, settled := n.threads(t, main)
		return settled && (r.shows == nil || r.shows(threads))
	})
}

// podName makes a name that pods may have.
func podName(name string) string {
	var b strings.Builder
	for _, letter := range strings.ToLower(name) {
		switch {
		case letter >= 'a' && letter <= 'z' || letter >= '0' && letter <= '9':
			b.WriteRune(letter)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String()[:min(b.Len(), 60)], "-")
}

// judge compares what a scan says with what it is to say.
func (r *row) judge(t *testing.T, scan *v1alpha1.Scan) {
	t.Helper()
	name := r.running.Spec.Name
	r.judgeUnknown(t, scan)
	for what, list := range map[string]struct {
		want []string
		got  []v1alpha1.Finding
	}{"findings": {r.findings, scan.Findings}, "posture": {r.posture, scan.Posture}} {
		want := slices.Sorted(slices.Values(list.want))
		if diff := cmp.Diff(want, reasons(list.got, name), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
			r.explain(t, list.got)
		}
	}
	for reason, want := range r.evidence {
		want.judge(t, find(t, append(slices.Clone(scan.Findings), scan.Posture...), name, reason))
	}
	r.judgeLevel(t, scan)
}

func (r *row) judgeUnknown(t *testing.T, scan *v1alpha1.Scan) {
	t.Helper()
	var found []string
	for _, u := range scan.Coverage.Unknown {
		if strings.HasPrefix(u.Container, "default/"+r.running.Spec.Name+" ") {
			found = append(found, u.Reason)
		}
	}
	if r.unknown == "" && len(found) > 0 || r.unknown != "" && (len(found) != 1 || !strings.Contains(found[0], r.unknown)) {
		t.Errorf("unknown %q, want %q", found, r.unknown)
	}
}

func (r *row) judgeLevel(t *testing.T, scan *v1alpha1.Scan) {
	t.Helper()
	i := slices.IndexFunc(scan.Levels, func(l v1alpha1.PodLevel) bool { return l.Pod.Name == r.running.Spec.Name })
	if i < 0 {
		t.Fatal("the pod has no level")
	}
	if level := scan.Levels[i]; r.declared != (v1alpha1.LevelInterval{}) && level.Declared != r.declared {
		t.Errorf("declared level %+v, want %+v", level.Declared, r.declared)
	}
	if level := scan.Levels[i]; r.level != "" && level.Enforced != r.level {
		t.Errorf("level %s, want %s: %+v", level.Enforced, r.level, level)
	}
}

// explain prints the findings of the pod.
func (r *row) explain(t *testing.T, all []v1alpha1.Finding) {
	t.Helper()
	for _, f := range all {
		if f.Pod != nil && f.Pod.Name == r.running.Spec.Name {
			t.Logf("%s: actual %q, declared %q, processes %+v", reason(f), f.Evidence.Actual, f.Evidence.Declared, f.Evidence.Processes)
		}
	}
}

// reason names the pause container too.
func reason(f v1alpha1.Finding) string {
	if f.Container.Sandbox {
		return "pause: " + f.Reason
	}
	return f.Reason
}

// reasons are those of a pod, in order. What depends on the machine is left out: with cgroup v1 every container is in
// the host's cgroup namespace, and where there is AppArmor, some rows ask to be without it.
func reasons(all []v1alpha1.Finding, pod string) []string {
	var found []string
	for _, f := range all {
		if f.Pod != nil && f.Pod.Name == pod && f.Reason != "HostCgroupShared" && f.Reason != "AppArmorUnconfined" {
			found = append(found, reason(f))
		}
	}
	slices.Sort(found)
	return found
}

func find(t *testing.T, all []v1alpha1.Finding, pod, want string) v1alpha1.Finding {
	t.Helper()
	i := slices.IndexFunc(all, func(f v1alpha1.Finding) bool { return f.Pod != nil && f.Pod.Name == pod && reason(f) == want })
	if i < 0 {
		t.Fatalf("there is no %s", want)
	}
	return all[i]
}

func (e evidence) judge(t *testing.T, f v1alpha1.Finding) {
	t.Helper()
	if diff := cmp.Diff(e.actual, f.Evidence.Actual, cmpopts.EquateEmpty()); e.actual != nil && diff != "" {
		t.Errorf("%s: actual (-want +got):\n%s", f.Reason, diff)
	}
	if diff := cmp.Diff(e.declared, f.Evidence.Declared, cmpopts.EquateEmpty()); e.declared != nil && diff != "" {
		t.Errorf("%s: declared (-want +got):\n%s", f.Reason, diff)
	}
	if !e.some && e.threads == 0 {
		return
	}
	if len(f.Evidence.Processes) != 1 {
		t.Fatalf("%s: processes %+v, want one", f.Reason, f.Evidence.Processes)
	}
	process := f.Evidence.Processes[0]
	if e.threads != 0 && process.Threads != e.threads {
		t.Errorf("%s: %d threads, want %d", f.Reason, process.Threads, e.threads)
	}
	if named := len(process.TIDs) > 0; named != e.some {
		t.Errorf("%s: threads %v, want them named: %t", f.Reason, process.TIDs, e.some)
	}
}

// thread is what the kernel shows of one.
type thread struct {
	nsinspect.Credentials

	pid, tid int
	command  string
	// nested: its user namespace is not the host's.
	nested bool
	root   string // its root directory, as the host names it
}

// threads returns those of all processes of a container. They have settled once none is the harness's program in the
// middle of its steps.
func (n *node) threads(t *testing.T, main runtimetest.Container) (all []thread, settled bool) {
	t.Helper()
	host, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		t.Fatal(err)
	}
	settled = true
	for _, pid := range n.Processes(t, main) {
		dir := filepath.Join("/proc", strconv.Itoa(pid))
		comm, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil {
			return nil, false
		}
		command := strings.TrimSpace(string(comm))
		settled = settled && command != "act" && !strings.HasSuffix(command, "-act") && !strings.HasPrefix(command, "runc")
		process, err := n.fs.Open(pid)
		if err != nil {
			return nil, false
		}
		user, _ := os.Readlink(filepath.Join(dir, "ns/user"))
		root, _ := os.Readlink(filepath.Join(dir, "root"))
		tasks, _ := os.ReadDir(filepath.Join(dir, "task"))
		for _, task := range tasks {
			tid, _ := strconv.Atoi(task.Name())
			if credentials, err := process.ThreadCredentials(tid); err == nil {
				all = append(all, thread{credentials, pid, tid, command, user != host, root})
			}
		}
		process.Close()
	}
	return all, settled && len(all) > 0
}

// some reports whether any thread is so.
func some(is func(thread) bool) func([]thread) bool {
	return func(threads []thread) bool { return slices.ContainsFunc(threads, is) }
}

// every reports whether all threads are so.
func every(is func(thread) bool) func([]thread) bool {
	return func(threads []thread) bool {
		return !slices.ContainsFunc(threads, func(t thread) bool { return !is(t) })
	}
}

// both reports whether both are so.
func both(a, b func([]thread) bool) func([]thread) bool {
	return func(threads []thread) bool { return a(threads) && b(threads) }
}

func hasUID(uid uint32) func(thread) bool {
	return func(t thread) bool { return t.UIDs.Effective == uid }
}
