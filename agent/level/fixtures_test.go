// SPDX-License-Identifier: Apache-2.0

package level_test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"github.com/nsaudit/nsaudit/agent/level"
	"github.com/nsaudit/nsaudit/nsinspect"
)

// What the kubelet and the runtime leave nothing of.
const (
	probes   = "the kubelet probes itself, and tells the runtime of no host"
	replaced = "each container replaces the pod's options, which the kubelet then does not hand on"
)

// outside are the fixtures of which the real level is not in the interval, and why.
var outside = map[string]string{
	"restricted/fail/hostprobesandhostlifecycle0": probes,
	"restricted/fail/hostprobesandhostlifecycle1": probes,
	"restricted/fail/hostprobesandhostlifecycle2": probes,
	"restricted/fail/hostprobesandhostlifecycle3": probes,
	"restricted/fail/hostprobesandhostlifecycle4": probes,
	"restricted/fail/selinuxoptions0":             replaced,
	"restricted/fail/selinuxoptions3":             replaced,
	"restricted/fail/selinuxoptions4":             replaced,
}

// above are the checks whose fixtures may be more restricted in the kernel than admission says of the
// manifest, and why; except are the modules of nodes where they may not.
var above = map[string]struct {
	why    string
	except nsinspect.SecurityModule
}{
	"hostprobesandhostlifecycle": {why: probes},
	"apparmorprofile":            {why: "there is nothing to be confined by", except: nsinspect.AppArmor},
	"selinuxoptions":             {why: "there is no SELinux, or the options are a user and a role, or replaced"},
	"capabilities_baseline":      {why: "NET_RAW is one of those that each container has, and others are misspelt"},
	"seccompprofile_baseline":    {why: "an unconfined profile and none are the same to the runtime"},
	"seccompprofile_restricted":  {why: "an unconfined profile and none are the same to the runtime"},
	"restrictedvolumes":          {why: "a claim leads to the same directory"},
	"runasnonroot":               {why: "the image's user is not root, though the pod would let it be"},
}

// TestFixtures runs the pods by which Kubernetes tests its own admission, as a faithful runtime
// would, and compares with what admission says of the manifest.
func TestFixtures(t *testing.T) {
	t.Parallel()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	pods := fixtures(t)
	if len(pods) < 140 {
		t.Fatalf("%d fixtures", len(pods))
	}
	for _, node := range []fakeNode{
		{}, {imageUser: 65535}, {module: nsinspect.AppArmor, imageUser: 65535}, {module: nsinspect.SELinux, imageUser: 65535},
	} {
		for name, pod := range pods {
			if node.refuses(pod) {
				continue
			}
			t.Run(fmt.Sprintf("%s%d/%s", node.module, node.imageUser, name), func(t *testing.T) {
				t.Parallel()
				want := admitted(evaluator, pod)
				got := level.Of(node.run(pod))[0]
				in := !want.Below(got.Declared.Lowest) && !got.Declared.Highest.Below(want)
				if in == (outside[name] != "") {
					t.Errorf("admission says %s, the interval is %s to %s", want, got.Declared.Lowest, got.Declared.Highest)
				}
				if got.Enforced == level.Unknown || got.Enforced.Below(want) || got.Enforced.Below(got.Declared.Lowest) || got.Lowered {
					t.Errorf("the kernel enforces %s, admission says %s, the interval is %s to %s: %+v",
						got.Enforced, want, got.Declared.Lowest, got.Declared.Highest, got.Violations)
				}
				may, known := above[strings.TrimRight(path.Base(name), "0123456789")]
				if want.Below(got.Enforced) && (!known || may.except != "" && may.except == node.module) {
					t.Errorf("the kernel enforces %s, and admission says %s: %+v", got.Enforced, want, got.Violations)
				}
			})
		}
	}
}

// admitted returns the highest level that admission lets a pod have.
func admitted(evaluator policy.Evaluator, pod *corev1.Pod) level.Level {
	for _, l := range []api.Level{api.LevelRestricted, api.LevelBaseline} {
		results := evaluator.EvaluatePod(api.LevelVersion{Level: l, Version: api.LatestVersion()}, &pod.ObjectMeta, &pod.Spec)
		if policy.AggregateCheckResults(results).Allowed {
			return level.Level(l)
		}
	}
	return level.Privileged
}

// fixtures returns the pods of the latest version that can run on Linux.
func fixtures(t *testing.T) map[string]*corev1.Pod {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission").Output()
	if err != nil {
		t.Fatal(err)
	}
	pods := make(map[string]*corev1.Pod)
	for _, l := range []string{"baseline", "restricted"} {
		versions, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "test", "testdata", l, "v1.*"))
		if err != nil || len(versions) == 0 {
			t.Fatalf("%s: %v, %v", l, versions, err)
		}
		latest := slices.MaxFunc(versions, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
		files, err := filepath.Glob(filepath.Join(latest, "*", "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			pod := &corev1.Pod{}
			if err := yaml.UnmarshalStrict(text, pod); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if pod.Spec.OS != nil && pod.Spec.OS.Name == corev1.Windows || strings.HasPrefix(filepath.Base(file), "windows") {
				continue
			}
			pods[l+"/"+filepath.Base(filepath.Dir(file))+"/"+strings.TrimSuffix(filepath.Base(file), ".yaml")] = pod
		}
	}
	return pods
}
