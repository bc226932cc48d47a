// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runtimetest

import (
	"os"
	"path/filepath"
	"testing"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// kubeletMounts are what the kubelet mounts into every container: files and directories of the host, of which no pod
// asked for any.
func (c *Containerd) kubeletMounts(t testing.TB, pod PodSpec, container string) []*runtime.Mount {
	t.Helper()
	dir := filepath.Join(c.dir, "kubelet/pods", pod.UID)
	hosts := filepath.Join(dir, "etc-hosts")
	message := filepath.Join(dir, "containers", container, "termination-log")
	token := filepath.Join(dir, "volumes/kubernetes.io~projected/kube-api-access")
	for _, made := range []string{filepath.Dir(message), token} {
		if err := os.MkdirAll(made, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{hosts, message, filepath.Join(token, "token")} {
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mounts := []*runtime.Mount{
		{HostPath: token, ContainerPath: "/var/run/secrets/kubernetes.io/serviceaccount", Readonly: true},
		{HostPath: hosts, ContainerPath: "/etc/hosts"},
		{HostPath: message, ContainerPath: "/dev/termination-log"},
	}
	for _, mount := range mounts {
		mount.UidMappings, mount.GidMappings = idMappings(pod), idMappings(pod)
	}
	return mounts
}
