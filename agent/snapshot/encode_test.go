// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/nstest"
)

// saved is a pod of two containers.
func saved() *Snapshot {
	pod := &inventory.Pod{Namespace: "default", Name: "p", UID: "u"}
	return &Snapshot{Node: "n", Host: nstest.Host(), Containers: []Container{
		{
			Container: inventory.Container{
				ID: "box", RuntimeNamespace: "k8s.io", SandboxID: "box", Sandbox: true, PID: 10, Pod: pod,
				Status: inventory.Running, Declared: inventory.Declaration{By: inventory.ByPod, Host: []nsinspect.Kind{nsinspect.Net}},
			},
			Processes: []Process{{PID: 10, Command: "sleep", Groups: []nsinspect.ThreadGroup{nstest.Sharing(nsinspect.Net)}}},
		},
		{
			Container: inventory.Container{
				ID: "main-id", RuntimeNamespace: "k8s.io", Name: "main", SandboxID: "box", Pod: pod, Status: inventory.Running,
				Declared: inventory.Declaration{By: inventory.BySpec, Joined: map[nsinspect.Kind]string{nsinspect.IPC: "/x"}},
			},
			Processes: []Process{{PID: 11, Command: "sleep", Groups: []nsinspect.ThreadGroup{nstest.Sharing()}}},
		},
	}}
}

func TestEncodeDecode(t *testing.T) {
	t.Parallel()
	want := saved()
	var b bytes.Buffer
	if err := Encode(&b, want); err != nil {
		t.Fatal(err)
	}
	got, err := Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("snapshot after the round trip (-want +got):\n%s", diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := Encode(&b, saved()); err != nil {
		t.Fatal(err)
	}
	whole := b.String()
	tests := map[string]struct {
		text string
		want error
	}{
		"nothing":         {"", ErrTruncated},
		"half":            {whole[:len(whole)/2], ErrTruncated},
		"one byte less":   {strings.TrimSpace(whole)[:len(strings.TrimSpace(whole))-1], ErrTruncated},
		"a newer version": {strings.Replace(whole, "v1alpha1", "v9", 1), ErrVersion},
		"an older form":   {strings.Replace(whole, `"format":2`, `"unknown":0`, 1), ErrVersion},
		"a scan":          {strings.Replace(whole, `"Snapshot"`, `"Scan"`, 1), ErrNotSnapshot},
		"no JSON":         {"hello", ErrNotSnapshot},
		"other JSON":      {"[]", ErrNotSnapshot},
		"wrong types":     {strings.Replace(whole, `"node":"n"`, `"node":7`, 1), ErrNotSnapshot},
		"no end of containers": {
			strings.Replace(whole, `"containers":[`, `"containers":[`+strings.Repeat("{},", maxContainers), 1), ErrNotSnapshot,
		},
		"unknown kind": {strings.Replace(whole, `"net"`, `"nit"`, 1), ErrNotSnapshot},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Decode(strings.NewReader(test.text)); !errors.Is(err, test.want) {
				t.Errorf("Decode: %v, want %v", err, test.want)
			}
		})
	}
}
