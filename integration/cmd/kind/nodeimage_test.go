// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOffer(t *testing.T) {
	images := nodeImages{stock: "stock:2", built: "built:2"}
	for _, test := range []struct {
		image, source string
		want          bool
	}{
		{"stock:2", nodeAuto, true},
		{"stock:2", nodeStock, true},
		{"stock:2", nodeBuilt, false},
		{"built:2", nodeAuto, true},
		{"built:2", nodeStock, false},
		{"built:2", nodeBuilt, true},
		{"built:1", nodeAuto, false},
	} {
		if got := images.offer(test.image, test.source); got != test.want {
			t.Errorf("%s for %s = %t, want %t", test.image, test.source, got, test.want)
		}
	}
}

func TestPullNames(t *testing.T) {
	for image, want := range map[string][2]string{
		"kindest/node:v1@sha256:ab": {"docker.io/kindest/node@sha256:ab", "docker.io/kindest/node:v1"},
		"kindest/node:v1":           {"docker.io/kindest/node:v1", "docker.io/kindest/node:v1"},
	} {
		pullable, plain := pullNames(image)
		if diff := cmp.Diff(want, [2]string{pullable, plain}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", image, diff)
		}
	}
}

func TestParseStockImage(t *testing.T) {
	got, err := parseStockImage([]byte("package defaults\n\n// Image is\nconst Image = \"kindest/node:v1@sha256:ab\"\n"))
	if err != nil || got != "kindest/node:v1@sha256:ab" {
		t.Errorf("image = %q (%v)", got, err)
	}
	if _, err := parseStockImage([]byte("package defaults\n")); err == nil {
		t.Error("no error for a source without the constant")
	}
}

func TestImageNamed(t *testing.T) {
	images := []string{"registry.example/pause-more:1", "registry.example/pause:3.10"}
	got, err := imageNamed(images, "pause")
	if err != nil || got != "registry.example/pause:3.10" {
		t.Errorf("image = %q (%v)", got, err)
	}
	if _, err := imageNamed(images, "etcd"); err == nil {
		t.Error("no error for an image that is not there")
	}
}

func TestLinkerFlags(t *testing.T) {
	const want = "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2 -X k8s.io/component-base/version.gitMajor=1" +
		" -X k8s.io/component-base/version.gitMinor=37 -X k8s.io/component-base/version.gitTreeState=clean"
	got, err := linkerFlags("v1.37.2")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := linkerFlags("v1"); err == nil {
		t.Error("no error for a version without numbers")
	}
}

func TestParseRanges(t *testing.T) {
	got, err := parseRanges("a 10.244.0.0/24 10.89.0.2\nb 10.244.1.0/24 10.89.0.3 fd00::3\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []podRange{
		{node: "a", pods: "10.244.0.0/24", address: "10.89.0.2"},
		{node: "b", pods: "10.244.1.0/24", address: "10.89.0.3"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(podRange{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := parseRanges("a 10.89.0.2\n"); err == nil {
		t.Error("no error for a node without a pod range")
	}
}
