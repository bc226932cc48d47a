// SPDX-License-Identifier: Apache-2.0

//go:build integration

package containerd_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/contrib/apparmor"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/nsaudit/nsaudit/integration/internal/runtimetest"
)

// allowsAll is what a profile has that refuses nothing to a container, and whose processes may be killed.
const allowsAll = `  file,
  capability,
  network,
  mount,
  umount,
  pivot_root,
  ptrace,
  signal,
  unix,
  change_profile,
`

// The profiles of TestAppArmor. One has a name that ends like a mode.
const (
	enforced   = "nsaudit-enforced"
	complains  = "nsaudit-complains"
	oddlyNamed = "nsaudit-odd (enforce)"
)

// TestAppArmor has containers with the profiles of AppArmor that pods can ask for. Only a kernel with AppArmor, such as
// those of the VM, confines any; elsewhere there is nothing to say of it.
func TestAppArmor(t *testing.T) {
	c := runtimetest.Start(t)
	command := build(t, c)
	pods := map[string]*corev1.AppArmorProfile{"default": nil}
	outside := map[string]string{}
	want := map[string][]string{"default": nil}
	if appArmor() {
		loadProfile(t, enforced, "")
		loadProfile(t, complains, "complain")
		loadProfile(t, oddlyNamed, "complain")
		pods["unconfined"] = &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
		for name, profile := range map[string]string{"localhost": enforced, "complain": complains, "odd": oddlyNamed} {
			pods[name] = &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeLocalhost, LocalhostProfile: &profile}
		}
		outside["stack"] = enforced + "//&" + confinement
		want["unconfined"] = []string{"AppArmorUnconfined pod unconfined"}
		want["complain"] = []string{"UndeclaredAppArmorUnconfined nobody " + complains + " (complain)"}
		want["odd"] = []string{"UndeclaredAppArmorUnconfined nobody " + oddlyNamed + " (complain)"}
		want["localhost"], want["stack"] = nil, nil
	}
	ids := make(map[string]string)
	for name, profile := range pods {
		ids[name] = c.RunPod(t, runtimetest.PodSpec{Name: name, Containers: []runtimetest.ContainerSpec{{
			Name: "main", Security: &corev1.SecurityContext{AppArmorProfile: profile},
		}}}).Container(t, "main").ID
	}
	for name, profile := range outside {
		ids[name] = c.RunContainer(t, "default", name, apparmor.WithProfile(profile), oci.WithUIDGID(405, 100)).ID
	}
	scan := command.scan(t)
	wantAllSeen(t, scan)
	for name, lines := range want {
		var got []string
		for _, line := range contextOf(scan, ids[name]) {
			if strings.Contains(line, "AppArmor") {
				got = append(got, line)
			}
		}
		if diff := cmp.Diff(lines, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// loadProfile has AppArmor know a profile until the end of the test.
func loadProfile(t *testing.T, name, flag string) {
	t.Helper()
	flags := strings.TrimSuffix("attach_disconnected,"+flag, ",")
	text := fmt.Sprintf("profile %q flags=(%s) {\n%s}\n", name, flags, allowsAll)
	parse(t, "--replace", text)
	t.Cleanup(func() { parse(t, "--remove", text) })
}

func parse(t *testing.T, what, profile string) {
	t.Helper()
	parser := exec.Command("apparmor_parser", what, "--skip-cache")
	parser.Stdin = strings.NewReader(profile)
	if output, err := parser.CombinedOutput(); err != nil {
		t.Fatalf("apparmor_parser %s: %v\n%s\n%s", what, err, output, profile)
	}
}
