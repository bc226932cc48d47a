// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestNothingNeedlessIsLinked holds what the program is not made of: it runs on every node,
// as root. Each of these came along once with a package of which little was used.
func TestNothingNeedlessIsLinked(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	if !slices.Contains(packages, "k8s.io/client-go/rest") {
		t.Fatalf("%d packages, but not client-go's: %s", len(packages), out)
	}
	// What is linked, by what it may not have below it.
	for unwanted, remedy := range map[string]string{
		"k8s.io/client-go/kubernetes":         "make a REST client with a scheme of the one group that is needed",
		"k8s.io/client-go/informers":          "the agent reads nothing from the API server",
		"github.com/containerd/containerd/v2": "use the API module, github.com/containerd/containerd/api",
		"go.opentelemetry.io":                 "nothing is traced",
		"github.com/google/gnostic-models":    "no OpenAPI document is read",
		"net/http/pprof":                      "its handlers must not be served beside the metrics",
		"testing":                             "it is for tests",
	} {
		for _, name := range packages {
			if name == unwanted || strings.HasPrefix(name, unwanted+"/") {
				t.Errorf("%s is linked: %s", name, remedy)
			}
		}
	}
	// The API groups: Events, the core group whose references they use, and those of the requests
	// to admission, which come with its code that judges pods.
	known := []string{"core/v1", "events/v1", "admission/v1", "authentication/v1"}
	for _, name := range packages {
		if group, ok := strings.CutPrefix(name, "k8s.io/api/"); ok && !slices.Contains(known, group) {
			t.Errorf("%s is linked: the agent knows Events only", name)
		}
	}
}
