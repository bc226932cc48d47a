// SPDX-License-Identifier: Apache-2.0

//go:build integration

package e2e_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/integration/internal/kindtest"
)

const (
	manifestsDir  = "../../deploy/kustomize"
	podMonitorDir = manifestsDir + "/overlays/podmonitor"
)

// TestManifests asks the API server whether it would take the manifests: with all of its
// validation and admission, and without a warning.
func TestManifests(t *testing.T) {
	manifestsNamespace(t)
	overlays, err := filepath.Glob(manifestsDir + "/overlays/*")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"namespace/nsaudit",
		"serviceaccount/nsaudit",
		"clusterrole.rbac.authorization.k8s.io/nsaudit",
		"clusterrolebinding.rbac.authorization.k8s.io/nsaudit",
		"configmap/nsaudit-policy",
		"daemonset.apps/nsaudit",
	}
	for _, dir := range append(overlays, manifestsDir+"/base") {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			out, complaints := kindtest.Kubectl(t, "apply", "--dry-run=server", "-k", dir)
			if diff := cmp.Diff(want, accepted(out)); diff != "" {
				t.Errorf("accepted (-want +got):\n%s", diff)
			}
			if dir == podMonitorDir {
				complaints = withoutMissingPodMonitor(complaints)
			}
			if complaints != "" {
				t.Errorf("kubectl complains:\n%s", complaints)
			}
		})
	}
}

// withoutMissingPodMonitor takes off what is said where the Prometheus operator isn't
// installed. The unit tests of deploy check that object.
func withoutMissingPodMonitor(complaints string) string {
	missing := regexp.MustCompile(`\Aerror: resource mapping not found for .* no matches for kind "PodMonitor" .*\nensure CRDs are installed first\n`)
	return missing.ReplaceAllString(complaints, "")
}

// accepted returns the objects of kubectl's lines: "daemonset.apps/nsaudit created (server dry run)".
func accepted(out string) []string {
	var objects []string
	for line := range strings.Lines(out) {
		object, _, _ := strings.Cut(line, " ")
		objects = append(objects, object)
	}
	return objects
}

// manifestsNamespace makes sure that the namespace is there: for what would be made in one
// that is missing, even a dry run fails.
func manifestsNamespace(t *testing.T) {
	t.Helper()
	file := manifestsDir + "/base/namespace.yaml"
	out, complaints := kindtest.Kubectl(t, "apply", "-f", file)
	if complaints != "" {
		t.Fatalf("apply %s: %s", file, complaints)
	}
	if strings.Contains(out, "created") {
		t.Cleanup(func() { kindtest.Kubectl(t, "delete", "-f", file) })
	}
}
