// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Package runtimetest gives the integration tests a real containerd: one that they start themselves,
// with CRI, CNI, shims and runc, and that leaves nothing behind.
//
// The daemon runs in the machine's own namespaces, as it does on a node, because "shares the host's
// namespace" means "shares containerd's". All else is its own: configuration, root, state, socket and
// logs are below one temporary directory, and every process that it starts is below one cgroup of the
// same name. Two test binaries may therefore run at the same time, and what a killed test left behind
// is found and removed by the next one.
//
// Nothing is pulled. The images hold one file, the running test binary, under names such as /bin/sleep
// and /pause; what it does is decided by the name that it was started with. So a package that uses
// this one needs
//
//	func TestMain(m *testing.M) {
//		runtimetest.PlayRole()
//		os.Exit(m.Run())
//	}
//
// and has to be built with CGO_ENABLED=0, since the images hold no libraries. It needs root.
package runtimetest
